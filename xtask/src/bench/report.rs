//! The result: a table for the terminal, one in Markdown for the README, JSON for machines.

use super::lab::{Cell, Row};
use super::targets;
use super::tools::Tool;
use serde_json::{Value, json};

pub(crate) fn print(rows: &[Row], tools: &[Tool], facts: &Value, runs: u64) {
    println!("\n{}", heading(tools, facts, runs));
    for row in rows {
        println!("\n{}: {}", row.group, row.title);
        for cell in &row.cells {
            println!("  {}", line(cell));
        }
        for verdict in targets::verdicts(row) {
            println!(
                "  {} {}",
                if verdict.met { "met   " } else { "MISSED" },
                verdict.text
            );
        }
    }
    println!("\n{}", markdown(rows, tools, facts, runs));
}

/// Whether everything ran and every target that could be judged was met.
pub(crate) fn all_met(rows: &[Row]) -> bool {
    let whole = |cell: &Cell| cell.tool != "recoup" || cell.complaint.is_none();
    rows.iter().all(|row| {
        row.cells.iter().all(whole) && targets::verdicts(row).iter().all(|verdict| verdict.met)
    })
}

pub(crate) fn json(rows: &[Row], tools: &[Tool], facts: &Value, runs: u64) -> Value {
    let versions = tools
        .iter()
        .map(|tool| (tool.name.to_owned(), json!(tool.version)));
    json!({
        "v": 1,
        "machine": machine(),
        "runs": runs,
        "tools": versions.collect::<serde_json::Map<_, _>>(),
        "data": facts,
        "rows": rows.iter().map(|row| row_json(row, facts)).collect::<Vec<_>>(),
    })
}

fn row_json(row: &Row, facts: &Value) -> Value {
    let cells = row.cells.iter().map(|cell| {
        let samples = cell.samples.iter().map(|sample| {
            json!({
                "wall_seconds": sample.wall_seconds,
                "cpu_seconds": sample.cpu_seconds,
                "memory_bytes": sample.memory_bytes,
            })
        });
        json!({
            "tool": cell.tool,
            "samples": samples.collect::<Vec<_>>(),
            "repository_bytes": cell.repository_bytes,
            "complaint": cell.complaint,
        })
    });
    let verdicts = targets::verdicts(row);
    let verdicts = verdicts
        .iter()
        .map(|verdict| json!({"text": verdict.text, "met": verdict.met}));
    json!({
        "group": row.group,
        "title": row.title,
        "limit_seconds": targets::limit(row, facts),
        "cells": cells.collect::<Vec<_>>(),
        "targets": verdicts.collect::<Vec<_>>(),
    })
}

fn markdown(rows: &[Row], tools: &[Tool], facts: &Value, runs: u64) -> String {
    let mut text = format!("{}\n\n| wall s / CPU s", heading(tools, facts, runs));
    tools
        .iter()
        .for_each(|tool| text.push_str(&format!(" | {}", tool.name.replace('|', ", "))));
    text.push_str(" | limit | recoup / best | targets |\n|---");
    text.push_str(&"|---".repeat(tools.len() + 3));
    text.push_str("|\n");
    for row in rows {
        text.push_str(&markdown_row(row, tools, facts));
        if row.title == "first backup" {
            text.push_str(&markdown_sizes(row, tools));
        }
    }
    text.push_str(&markdown_memory(rows, tools));
    text
}

fn markdown_row(row: &Row, tools: &[Tool], facts: &Value) -> String {
    let best = targets::best_peer(row).map(|cell| cell.tool);
    let mut text = format!("| {}: {}", row.group, row.title);
    for cell in cells(row, tools) {
        text.push_str(
            &match cell.and_then(|cell| Some((cell, cell.wall()?, cell.cpu()?))) {
                Some((cell, wall, cpu)) if Some(cell.tool) == best => {
                    format!(" | **{}/{}**", seconds(wall), seconds(cpu))
                }
                Some((_, wall, cpu)) => format!(" | {}/{}", seconds(wall), seconds(cpu)),
                None => " | –".to_owned(),
            },
        );
    }
    let limit = targets::limit(row, facts).map_or("–".to_owned(), |limit| limit.to_string());
    let ours = row.cells.iter().find(|cell| cell.tool == "recoup");
    let ratio = ours
        .zip(targets::best_peer(row))
        .and_then(|(ours, best)| targets::ratio(ours, best));
    let ratio = ratio.map_or("–".to_owned(), |ratio| format!("{ratio:.2}"));
    let verdicts = targets::verdicts(row);
    let verdicts = verdicts
        .iter()
        .map(|v| format!("{}{}", if v.met { "" } else { "MISSED: " }, v.text));
    text.push_str(&format!(
        " | {limit} | {ratio} | {} |\n",
        verdicts.collect::<Vec<_>>().join("; ")
    ));
    text
}

fn markdown_sizes(row: &Row, tools: &[Tool]) -> String {
    let mut text = format!("| {}: repository, MB", row.group);
    for cell in cells(row, tools) {
        let bytes = cell
            .filter(|cell| !cell.samples.is_empty())
            .and_then(|cell| cell.repository_bytes);
        text.push_str(&bytes.map_or(" | –".to_owned(), |bytes| {
            format!(" | {}", bytes / 1_000_000)
        }));
    }
    text + " | – | – | |\n"
}

/// The highest peak of each tool over all rows of a group.
fn markdown_memory(rows: &[Row], tools: &[Tool]) -> String {
    let mut groups: Vec<&str> = rows.iter().map(|row| row.group).collect();
    groups.dedup();
    let mut text = String::new();
    for group in groups {
        text.push_str(&format!("| {group}: peak memory, MB"));
        for tool in tools {
            let of_group = rows.iter().filter(|row| row.group == group);
            let of_tool = of_group
                .flat_map(|row| &row.cells)
                .filter(|cell| cell.tool == tool.name);
            let peak = of_tool.filter_map(Cell::memory).max_by(f64::total_cmp);
            text.push_str(&peak.map_or(" | –".to_owned(), |peak| format!(" | {:.0}", peak / 1e6)));
        }
        text.push_str(" | – | – | |\n");
    }
    text
}

fn cells<'a>(row: &'a Row, tools: &'a [Tool]) -> impl Iterator<Item = Option<&'a Cell>> {
    tools
        .iter()
        .map(|tool| row.cells.iter().find(|cell| cell.tool == tool.name))
}

fn line(cell: &Cell) -> String {
    let name = cell.tool;
    let (Some(wall), Some(cpu), Some(memory)) = (cell.wall(), cell.cpu(), cell.memory()) else {
        let complaint = cell.complaint.as_deref().unwrap_or("can't do this");
        return format!("{name:<9} –  {complaint}");
    };
    let size = cell.repository_bytes.filter(|&bytes| bytes > 0);
    let size = size.map_or(String::new(), |bytes| {
        format!(", repository {} MB", bytes / 1_000_000)
    });
    let spread = cell
        .samples
        .iter()
        .map(|sample| seconds(sample.wall_seconds));
    let spread = spread.collect::<Vec<_>>().join(" ");
    let complaint = cell
        .complaint
        .as_ref()
        .map_or(String::new(), |text| format!("  WRONG: {text}"));
    format!(
        "{name:<9} {:>6} s wall ({spread}), {:>6} s CPU, {:>5.0} MB peak{size}{complaint}",
        seconds(wall),
        seconds(cpu),
        memory / 1e6
    )
}

fn heading(tools: &[Tool], facts: &Value, runs: u64) -> String {
    let versions: Vec<&str> = tools.iter().map(|tool| tool.version.as_str()).collect();
    let small = &facts["small"];
    format!(
        "{}; medians of {runs} runs in turn; small: {} files, {} MB; big: {} MB, {} of it zero blocks; \
         encryption on, default settings, password from the environment; {}.",
        machine(),
        small["files"],
        small["bytes"].as_u64().unwrap_or(0) / 1_000_000,
        facts["big"]["bytes"].as_u64().unwrap_or(0) / 1_000_000,
        facts["big"]["zero_share"],
        versions.join(", ")
    )
}

/// Cores and processor.
pub(crate) fn machine() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.map_or("unknown CPU", |value| {
        value.trim_start_matches([' ', '\t', ':'])
    });
    let cores = std::thread::available_parallelism().map_or(0, usize::from);
    format!("{cores} cores, {model}")
}

/// Three significant digits.
fn seconds(value: f64) -> String {
    match value {
        value if value >= 9.995 => format!("{value:.1}"),
        value if value >= 0.995 => format!("{value:.2}"),
        value => format!("{value:.3}"),
    }
}
