//! Vectors of headers, packs and index runs.

use codec::{IdKey, SealKey, derive_key};
use model::{BlobId, PackId, RunId};
use recoup_format::index::{
    BlockPlace, Directory, Filter, IndexedBlob, IndexedPack, IndexedSegment, encode_block, short_id,
};
use recoup_format::pack::{PackedBlob, PackedSegment, Trailer, encode_footer};
use recoup_format::{Header, ObjectType, Part};

use super::document::Vector;
use super::{k, keys};

const ID: [u8; 16] = [5; 16];

pub(crate) fn vectors() -> Vec<Vector> {
    let keyset = keys::keyset();
    let header = Header::new(ObjectType::IndexRun, keyset.repository(), &ID, Vec::new());
    let material = [&keyset.index_key()[..], &header.id].concat();
    let key = derive_key("recoup v1 index run key", &material);
    let mut bytes = header.encode();
    let commitment = keyset.commit(&key, &bytes);
    bytes.extend_from_slice(&commitment);
    assert_eq!(Header::decode(&bytes), Ok((header.clone(), commitment)));
    let rule = [
        (8, "magic"),
        (2, "format version"),
        (1, "object: index run"),
        (1, "reserved"),
        (4, "length of the wrapped key"),
        (16, "repository id"),
        (32, "id, followed by zeros"),
        (32, "commitment"),
    ];
    let additional = header.additional_data(Part::Directory);
    let trailer = Trailer {
        offset: 119,
        len: 53,
    };
    vec![
        Vector::ruled("header", &bytes, &rule),
        Vector::new("index-run-key", key.to_vec()),
        Vector::ruled(
            "additional-data",
            &additional,
            &[
                (1, "object"),
                (1, "part"),
                (16, "repository id"),
                (32, "id"),
            ],
        ),
        sealed_segment(),
        footer(),
        Vector::ruled(
            "trailer",
            &trailer.encode(),
            &[(8, "offset of the footer"), (8, "its length"), (8, "magic")],
        ),
        block(),
        directory(),
    ]
}

fn sealed_segment() -> Vector {
    let keyset = keys::keyset();
    let header = Header::new(ObjectType::MapPack, keyset.repository(), &ID, Vec::new());
    let mut bytes = b"\0recoup".to_vec();
    let aad = header.additional_data(Part::Segment);
    SealKey::new(&k()).seal(96, &aad, &mut bytes, 0);
    Vector::ruled(
        "sealed-segment",
        &bytes,
        &[(7, "ciphertext of 00 and the blob"), (16, "tag")],
    )
}

/// The footer of the pack whose only segment is the one above: 7 bytes and a tag from offset 96 on.
fn footer() -> Vector {
    let id = IdKey::new(k()).blob_id(b"recoup");
    let footer = encode_footer(&[PackedSegment {
        offset: 96,
        stored_len: 23,
        blobs: vec![PackedBlob { id, len: 6 }],
    }]);
    Vector::ruled(
        "footer",
        &footer,
        &[
            (1, "one segment"),
            (1, "at offset 96"),
            (1, "23 bytes long"),
            (1, "one blob"),
            (32, "its id"),
            (1, "its length"),
        ],
    )
}

fn block() -> Vector {
    let block = encode_block(&[
        IndexedBlob {
            id: short_id(&BlobId([0x11; 32])),
            segment: 0,
            offset: 0,
            len: 300,
        },
        IndexedBlob {
            id: short_id(&BlobId([0x22; 32])),
            segment: 0,
            offset: 300,
            len: 4000,
        },
    ]);
    Vector::ruled(
        "index-block",
        &block,
        &[
            (1, "two blobs"),
            (20, "first short id"),
            (20, "second short id"),
            (4, "segment 0, offset 0, length 300"),
            (5, "segment 0, offset 300, length 4000"),
        ],
    )
}

fn directory() -> Vector {
    let mut filter = Filter::empty(2);
    for id in [[0x11; 32], [0x22; 32]] {
        Filter::insert(&mut filter, &short_id(&BlobId(id)));
    }
    let bytes = Directory {
        packs: vec![IndexedPack {
            id: PackId([3; 16]),
            header_len: 1264,
            is_map: true,
            len: 8192,
        }],
        segments: vec![IndexedSegment {
            pack: 0,
            offset: 1264,
            stored_len: 2000,
            plain_len: 4300,
        }],
        blocks: vec![BlockPlace {
            first: short_id(&BlobId([0x11; 32])),
            offset: 96,
            len: 66,
        }],
        filter,
        blobs: 2,
        supersedes: vec![RunId([4; 16])],
    }
    .encode();
    let rule = [
        (8, "two blobs"),
        (17, "replaces one run"),
        (17, "one pack: its id"),
        (11, "header of 1264 bytes, map pack, 8192 bytes"),
        (
            8,
            "one segment: pack 0, offset 1264, 2000 bytes, 4300 of plaintext",
        ),
        (30, "one block: first id, offset 96, 66 bytes"),
        (4, "filter of 3 bytes"),
    ];
    Vector::ruled("index-directory", &bytes, &rule)
}
