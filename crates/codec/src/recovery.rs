//! A 256-bit secret as people print, read out and type it.
//!
//! `RECOUP-` and thirteen groups of five characters of Crockford's base32, which has no I, L, O or U.
//! Four characters of a group carry data, the fifth checks them: any one wrong character, any two
//! swapped and any two groups swapped are found and named. Four bits are over; they check the whole.

use zeroize::Zeroizing;

use crate::error::CodecError;

/// What a code begins with.
pub const PREFIX: &str = "RECOUP";

const ALPHABET: &[u8; 32] = b"0123456789ABCDEFGHJKMNPQRSTVWXYZ";
const GROUPS: usize = 13;
const DATA_DIGITS: usize = 4;
const GROUP_DIGITS: usize = DATA_DIGITS + 1;
const DIGITS: usize = GROUPS * GROUP_DIGITS;

/// Writes the secret as a code.
pub fn format(secret: &[u8; 32]) -> Zeroizing<String> {
    let mut text = String::with_capacity(PREFIX.len() + GROUPS * (1 + GROUP_DIGITS));
    text.push_str(PREFIX);
    for group in 0..GROUPS {
        text.push('-');
        let digits: [u8; DATA_DIGITS] =
            std::array::from_fn(|index| digit_of(secret, group * DATA_DIGITS + index));
        for digit in digits.into_iter().chain([check_digit(group, &digits)]) {
            text.push(char::from(ALPHABET[usize::from(digit)]));
        }
    }
    Zeroizing::new(text)
}

/// Reads a code: in upper or lower case, with O for 0 and I or L for 1, with or without the prefix,
/// spaces and dashes.
pub fn parse(text: &str) -> Result<Zeroizing<[u8; 32]>, CodecError> {
    let mut groups: Vec<&[u8]> = text
        .as_bytes()
        .split(|byte| !byte.is_ascii_alphanumeric())
        .collect();
    groups.retain(|group| !group.is_empty());
    if let Some(first) = groups.first_mut()
        && let Some((start, rest)) = first.split_at_checked(PREFIX.len())
        && start.eq_ignore_ascii_case(PREFIX.as_bytes())
    {
        *first = rest;
        groups.retain(|group| !group.is_empty());
    }
    // A character too many or too few shifts all that follow: where the groups are kept apart, it is
    // the group's fault and not that of the rest.
    if groups.len() == GROUPS
        && let Some(group) = groups.iter().position(|group| group.len() != GROUP_DIGITS)
    {
        return Err(CodecError::RecoveryCodeGroup { group: group + 1 });
    }
    let found = groups.iter().map(|group| group.len()).sum();
    if found != DIGITS {
        return Err(CodecError::RecoveryCodeLength {
            expected: DIGITS,
            found,
        });
    }
    let mut digits = Zeroizing::new([0; DIGITS]);
    for (index, (digit, &byte)) in digits
        .iter_mut()
        .zip(groups.iter().copied().flatten())
        .enumerate()
    {
        let group = index / GROUP_DIGITS + 1;
        *digit = value_of(byte).ok_or(CodecError::RecoveryCodeGroup { group })?;
    }
    let mut secret = Zeroizing::new([0; 32]);
    let mut last = 0;
    for (group, digits) in digits.as_chunks::<GROUP_DIGITS>().0.iter().enumerate() {
        let [data @ .., check] = digits;
        if check_digit(group, data) != *check {
            return Err(CodecError::RecoveryCodeGroup { group: group + 1 });
        }
        for (index, &digit) in data.iter().enumerate() {
            put_digit(&mut secret, group * DATA_DIGITS + index, digit);
            last = digit;
        }
    }
    if last != digit_of(&secret, GROUPS * DATA_DIGITS - 1) {
        return Err(CodecError::RecoveryCodeChecksum);
    }
    Ok(secret)
}

/// Five bits of the secret, the first ones first; behind its end, the first bits of its hash.
fn digit_of(secret: &[u8; 32], index: usize) -> u8 {
    let (byte, shift) = (index * 5 / 8, index * 5 % 8);
    let next = match secret.get(byte + 1) {
        Some(&next) => next,
        None => blake3::hash(secret).as_bytes()[0],
    };
    let pair = u16::from_be_bytes([secret[byte], next]);
    (pair >> (11 - shift) & 31) as u8
}

/// The reverse of [`digit_of`], onto zeros; drops what lies behind the end.
fn put_digit(secret: &mut [u8; 32], index: usize, digit: u8) {
    let (byte, shift) = (index * 5 / 8, index * 5 % 8);
    let [high, low] = (u16::from(digit) << (11 - shift)).to_be_bytes();
    secret[byte] |= high;
    if let Some(next) = secret.get_mut(byte + 1) {
        *next |= low;
    }
}

/// A weighted sum in the field of 32 elements. The weights of the four digits and of the check digit
/// itself are different powers of x, so one wrong digit or two swapped ones always show; the group's
/// number is added, so swapped groups show too.
fn check_digit(group: usize, digits: &[u8; DATA_DIGITS]) -> u8 {
    digits
        .iter()
        .fold(group as u8, |sum, &digit| times_x(sum ^ digit))
}

/// Multiplies by x, modulo x^5 + x^2 + 1.
fn times_x(value: u8) -> u8 {
    let doubled = value << 1;
    if doubled & 32 == 0 {
        doubled
    } else {
        doubled ^ 0b10_0101
    }
}

fn value_of(byte: u8) -> Option<u8> {
    let byte = match byte.to_ascii_uppercase() {
        b'O' => b'0',
        b'I' | b'L' => b'1',
        byte => byte,
    };
    ALPHABET
        .iter()
        .position(|&letter| letter == byte)
        .map(|value| value as u8)
}
