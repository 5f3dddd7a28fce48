//! What the builder writes, the readers read back; and what is damaged is an error, never a panic.

use bytes::Bytes;
use ottla_wire::records::*;
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::*;

type Fields = (u16, i64, Option<Vec<u8>>, Option<Vec<u8>>, Vec<(String, Option<Vec<u8>>)>);

fn arb_codec() -> impl Strategy<Value = (Compression, Option<i32>)> {
    prop_oneof![
        Just((Compression::None, None)),
        option::of(prop_oneof![Just(-1), 1..=9i32]).prop_map(|level| (Compression::Gzip, level)),
        Just((Compression::Snappy, None)),
        option::of(1..=17i32).prop_map(|level| (Compression::Lz4, level)),
        option::of(prop_oneof![-10..=22i32, Just(-131_072)]).prop_map(|level| (Compression::Zstd, level)),
    ]
}

fn arb_bytes() -> impl Strategy<Value = Option<Vec<u8>>> {
    option::of(prop_oneof![vec(any::<u8>(), 0..40), (any::<u8>(), 0..3000usize).prop_map(|(b, n)| vec![b; n])])
}

fn arb_fields() -> impl Strategy<Value = Vec<Fields>> {
    let headers = vec(("[a-zé]{0,6}", arb_bytes()), 0..4);
    vec((1..5u16, prop_oneof![Just(-1i64), 0..i64::MAX], arb_bytes(), arb_bytes(), headers), 1..20)
}

/// Gaps before the records' offsets make the batch look compacted.
fn fill(builder: &mut BatchBuilder, fields: &[Fields], gaps: bool) -> Vec<Record> {
    let mut expected = Vec::new();
    let (base_offset, mut offset) = (builder.base_offset(), builder.base_offset());
    for (gap, timestamp, key, value, headers) in fields {
        offset += if gaps { i64::from(*gap) - 1 } else { 0 };
        let record = Record {
            offset,
            timestamp: *timestamp,
            sequence: (offset - base_offset) as i32,
            key: key.clone().map(Bytes::from),
            value: value.clone().map(Bytes::from),
            headers: headers.iter().map(|(k, v)| Header::new(k.clone(), v.clone().map(Bytes::from))).collect(),
        };
        builder.append_at(offset, *timestamp, key.as_deref(), value.as_deref(), &record.headers).unwrap();
        expected.push(record);
        offset += 1;
    }
    expected
}

fn read(batch: &Batch) -> Vec<Record> {
    batch.records().unwrap().collect::<Result<_, _>>().unwrap()
}

proptest! {
    #[test]
    fn a_built_batch_reads_back(
        fields in arb_fields(), codec in arb_codec(), base_offset in 0..i64::MAX / 2, gaps: bool,
        epoch: i32, transactional: bool,
    ) {
        let mut builder = BatchBuilder::new(base_offset)
            .compression(codec.0, codec.1)
            .leader_epoch(epoch)
            .producer(77, 3, 0)
            .transactional(transactional);
        let expected = fill(&mut builder, &fields, gaps);
        let size = builder.estimated_size();
        let bytes = builder.build();
        if codec.0 == Compression::None {
            prop_assert_eq!(bytes.len(), size);
        }
        let header = validate_batch_bytes(&bytes).unwrap();
        prop_assert_eq!(header.partition_leader_epoch, epoch);
        prop_assert_eq!(header.is_transactional(), transactional);
        prop_assert_eq!(header.last_offset(), expected.last().unwrap().offset);
        prop_assert_eq!(header.compression().unwrap(), codec.0);
        prop_assert_eq!(check_client_header(&header).is_ok(), expected.len() as i64 == header.next_offset() - base_offset);

        let batch = Batch::parse(&bytes).unwrap();
        prop_assert_eq!(&read(&batch), &expected);

        let payload = batch.decompressed_payload(size).unwrap();
        prop_assert_eq!(payload.len(), size - RECORD_BATCH_OVERHEAD);
        let summary = check_records(&header, &payload).unwrap();
        prop_assert_eq!(summary.max_timestamp, header.max_timestamp);
        prop_assert_eq!(summary.consecutive_offsets, header.last_offset_delta as usize == expected.len() - 1);
        let keyless = expected.iter().position(|record| record.key.is_none());
        prop_assert_eq!(summary.first_without_key, keyless.map(|index| index as u32));
        let mut scratch = vec![1; 10];
        prop_assert_eq!(check_batch(&header, &bytes, &mut scratch, payload.len()), Ok(summary));
        if codec.0 != Compression::None {
            let too_small = batch.decompressed_payload(payload.len() - 1);
            let too_large = RecordsError::TooLarge { codec: codec.0, limit: payload.len() - 1 };
            prop_assert_eq!(too_small, Err(too_large.clone()));
            prop_assert_eq!(check_batch(&header, &bytes, &mut scratch, payload.len() - 1), Err(too_large));
        }
    }

    #[test]
    fn every_level_of_every_codec_round_trips(input in prop_oneof![
        vec(any::<u8>(), 0..5000),
        vec(0..4u8, 60_000..140_000),
    ], codec in arb_codec()) {
        let compressed = compress(codec.0, codec.1, &input).unwrap();
        prop_assert_eq!(decompress(codec.0, &compressed, input.len()).unwrap(), input);
    }

    /// Whatever the bytes, an answer within the limit and no panic.
    #[test]
    fn damaged_compressed_data_is_no_panic(
        input in vec(0..6u8, 0..3000), codec in arb_codec(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 0..4), cut in any::<prop::sample::Index>(),
    ) {
        let mut compressed = compress(codec.0, codec.1, &input).unwrap();
        for (at, byte) in damage {
            if !compressed.is_empty() {
                let at = at.index(compressed.len());
                compressed[at] = byte;
            }
        }
        compressed.truncate(cut.index(compressed.len() + 1).max(compressed.len() / 2));
        if let Ok(output) = decompress(codec.0, &compressed, 10_000) {
            prop_assert!(output.len() <= 10_000);
        }
    }

    /// With the checksum made right again, so that the damage reaches the records.
    #[test]
    fn damaged_batches_are_no_panic(
        fields in arb_fields(), codec in arb_codec(),
        damage in vec((any::<prop::sample::Index>(), any::<u8>()), 1..6), fix_crc: bool,
    ) {
        let mut builder = BatchBuilder::new(0).compression(codec.0, codec.1);
        fill(&mut builder, &fields, false);
        let mut bytes = builder.build().to_vec();
        for (at, byte) in damage {
            let at = at.index(bytes.len());
            bytes[at] = byte;
        }
        if fix_crc && bytes[MAGIC_OFFSET] == 2 {
            recompute_crc(&mut bytes);
        }
        let _ = validate_batch_bytes(&bytes);
        for batch in batches(bytes.clone().into()) {
            let Ok(batch) = batch else { break };
            let _ = batch.control_type();
            let _ = batch.base_offset();
            if let Ok(records) = batch.records_with_limit(1 << 20) {
                for record in records {
                    if record.is_err() { break }
                }
            }
            if let Ok(payload) = batch.decompressed_payload(1 << 20) && batch.header.magic == 2 {
                let whole = check_records(&batch.header, &payload);
                let streamed = check_batch(&batch.header, &batch.bytes, &mut Vec::new(), 1 << 20);
                // Neither looks into a batch that counts no records.
                let empty = batch.header.records_count == 0;
                prop_assert!(empty || whole.is_ok() == streamed.is_ok(), "{:?} {:?}", whole, streamed);
            }
        }
        let borrowed: Vec<_> = headers(&bytes).map(|item| item.map(|(header, _)| header)).collect();
        let owned: Vec<_> = batches(bytes.into()).map(|item| item.map(|batch| batch.header)).collect();
        prop_assert_eq!(borrowed, owned);
    }

    #[test]
    fn random_bytes_are_no_panic(mut bytes in vec(any::<u8>(), 0..200), magic in 0..4u8) {
        if let Some(at) = bytes.get_mut(MAGIC_OFFSET) {
            *at = magic;
        }
        if let Some(length) = bytes.get_mut(LENGTH_OFFSET..LENGTH_OFFSET + 3) {
            length.fill(0);
        }
        for batch in batches(bytes.clone().into()).flatten() {
            if let Ok(records) = batch.records_with_limit(10_000) {
                records.for_each(drop);
            }
        }
        for codec in Compression::ALL {
            let _ = decompress(codec, &bytes, 10_000);
        }
    }
}

#[test]
fn joined_gzip_members_read_as_one_and_garbage_behind_them_is_ignored() {
    let mut joined = compress(Compression::Gzip, None, b"one, ").unwrap();
    joined.extend(compress(Compression::Gzip, Some(9), b"two").unwrap());
    joined.extend(b"garbage");
    assert_eq!(decompress(Compression::Gzip, &joined, 8).unwrap(), b"one, two");
    let too_large = RecordsError::TooLarge { codec: Compression::Gzip, limit: 7 };
    assert_eq!(decompress(Compression::Gzip, &joined, 7), Err(too_large));
}

#[test]
fn iteration_stops_before_a_batch_that_is_cut_off() {
    let mut bytes = Vec::new();
    for offset in 0..3 {
        let mut builder = BatchBuilder::new(offset);
        builder.append(5, None, Some(b"value"), &[]).unwrap();
        bytes.extend_from_slice(&builder.build());
    }
    let size = bytes.len() / 3;
    for len in 0..=bytes.len() {
        let mut iter = batches(Bytes::copy_from_slice(&bytes[..len]));
        let offsets: Vec<i64> = iter.by_ref().map(|batch| batch.unwrap().header.base_offset).collect();
        assert_eq!(offsets, (0..(len / size) as i64).collect::<Vec<_>>());
        assert_eq!(iter.consumed(), len / size * size);
    }
    bytes[2 * size + LENGTH_OFFSET..2 * size + LENGTH_OFFSET + 4].fill(0);
    let mut iter = headers(&bytes);
    assert!(iter.next().unwrap().is_ok() && iter.next().unwrap().is_ok());
    assert!(matches!(iter.next(), Some(Err(RecordsError::InvalidSize { size: 12, .. }))));
    assert!(iter.next().is_none());
    assert_eq!(iter.consumed(), 2 * size);
}

#[test]
fn recompression_keeps_all_but_the_codec() {
    for from in Compression::ALL {
        for to in Compression::ALL {
            let mut builder = BatchBuilder::new(5).compression(from, None).producer(1, 2, 3).leader_epoch(4);
            for i in 0..50 {
                builder.append(1000 - i, Some(b"key"), Some(&[b'v'; 300]), &[]).unwrap();
            }
            let before = Batch::parse(&builder.build()).unwrap();
            let bytes = recompress(&before.header, &before.bytes, to, None, 1 << 20).unwrap();
            let after = Batch { header: validate_batch_bytes(&bytes).unwrap(), bytes: bytes.into() };
            assert_eq!(after.header.compression(), Ok(to));
            assert_eq!(read(&after), read(&before));
            let BatchHeader { batch_length, crc, attributes, .. } = after.header;
            assert_eq!(after.header, BatchHeader { batch_length, crc, attributes, ..before.header });
            let limit = 50 * 300;
            let too_large = RecordsError::TooLarge { codec: from, limit };
            assert_eq!(recompress(&before.header, &before.bytes, to, None, limit), Err(too_large));
        }
    }
}

#[test]
fn patches_in_place() {
    let mut builder = BatchBuilder::new(0).transactional(true).producer(1, 2, 3);
    builder.append(100, Some(b"k"), Some(b"v"), &[]).unwrap();
    let mut bytes = builder.build().to_vec();
    let before = BatchHeader::parse(&bytes).unwrap();

    set_base_offset(&mut bytes, 1 << 40);
    set_partition_leader_epoch(&mut bytes, 9);
    set_max_timestamp(&mut bytes, TimestampType::CreateTime, 100);
    let after = validate_batch_bytes(&bytes).unwrap();
    assert_eq!(after, BatchHeader { base_offset: 1 << 40, partition_leader_epoch: 9, ..before });

    set_max_timestamp(&mut bytes, TimestampType::LogAppendTime, 555);
    let stamped = validate_batch_bytes(&bytes).unwrap();
    assert_eq!((stamped.timestamp_type(), stamped.max_timestamp), (TimestampType::LogAppendTime, 555));
    assert!(stamped.is_transactional() && stamped.crc != before.crc);
    let batch = Batch::parse(&Bytes::from(bytes.clone())).unwrap();
    assert_eq!(read(&batch)[0].timestamp, 555);

    set_producer(&mut bytes, 7, 8, i32::MAX);
    let header = validate_batch_bytes(&bytes).unwrap();
    assert_eq!((header.producer_id, header.producer_epoch, header.last_sequence()), (7, 8, i32::MAX));
}

#[test]
fn the_builder_refuses_what_the_format_cannot_hold() {
    let mut builder = BatchBuilder::new(10);
    assert!(builder.append_at(9, 0, None, None, &[]).is_err());
    assert!(builder.append_at(10, -2, None, None, &[]).is_err());
    assert!(builder.append_at(11 + i64::from(i32::MAX), 0, None, None, &[]).is_err());
    assert!(builder.is_empty() && builder.clone().build().is_empty());
    builder.append_at(12, 0, None, None, &[]).unwrap();
    assert!(builder.append_at(12, 0, None, None, &[]).is_err());
    assert_eq!(builder.next_offset(), 13);
    let size = builder.size_with(1 << 40, Some(b"key"), None, &[Header::new("h", None)]);
    builder.append(1 << 40, Some(b"key"), None, &[Header::new("h", None)]).unwrap();
    assert_eq!(builder.estimated_size(), size);
    assert!(compress(Compression::Gzip, Some(10), b"").is_err());
    assert!(compress(Compression::Lz4, Some(0), b"").is_err());
    assert!(compress(Compression::Zstd, Some(23), b"").is_err());
}

/// Records beyond what the walk holds as a whole, whose parts straddle the pieces of every codec.
#[test]
fn large_records_are_walked_in_pieces() {
    let text: Vec<u8> = (0..700_000u64).map(|i| b"etaoin shrdlu"[(i / 50 * i % 13) as usize]).collect();
    for codec in Compression::ALL {
        let mut builder = BatchBuilder::new(7).compression(codec, None);
        let headers: Vec<Header> = (0..30_000).map(|i| Header::new(format!("h{i}"), None)).collect();
        builder.append(10, Some(b"small"), Some(b"small"), &[]).unwrap();
        builder.append(30, Some(&text), None, &[]).unwrap();
        builder.append(20, None, Some(&text[..65_530]), &headers[..1]).unwrap();
        builder.append(25, None, Some(&text[..600_000]), &headers).unwrap();
        builder.append(5, Some(b""), Some(b"small"), &headers[..2]).unwrap();
        let size = builder.estimated_size() - RECORD_BATCH_OVERHEAD;
        let bytes = builder.build();
        let batch = Batch::parse(&bytes).unwrap();
        let mut scratch = Vec::new();
        let summary = check_batch(&batch.header, &bytes, &mut scratch, size).unwrap();
        let expected = RecordsSummary {
            max_timestamp: 30,
            offset_of_max_timestamp: 8,
            min_timestamp: 5,
            consecutive_offsets: true,
            first_without_key: Some(2),
            size_in_bytes: size,
        };
        assert_eq!(summary, expected, "{}", codec.name());
        assert_eq!(check_records(&batch.header, &batch.decompressed_payload(size).unwrap()), Ok(expected));

        // One record less and one more than there are.
        for records_count in [4, 6] {
            let header = BatchHeader { records_count, ..batch.header };
            let result = check_batch(&header, &bytes, &mut scratch, size);
            assert!(matches!(result, Err(RecordsError::InvalidRecord { .. })), "{result:?}");
        }
    }
}

#[test]
fn a_thousandfold_batch_is_checked_in_little_memory() {
    let zeros = vec![0; 1 << 20];
    for codec in [Compression::Gzip, Compression::Lz4, Compression::Zstd, Compression::Snappy] {
        let mut builder = BatchBuilder::new(0).compression(codec, None);
        for _ in 0..32 {
            builder.append(0, None, Some(&zeros), &[]).unwrap();
        }
        let bytes = builder.build();
        let header = validate_batch_bytes(&bytes).unwrap();
        let mut scratch = Vec::new();
        let summary = check_batch(&header, &bytes, &mut scratch, 1 << 30).unwrap();
        assert!(summary.size_in_bytes > 32 << 20);
        assert!(scratch.capacity() <= 256 << 10, "{}: {}", codec.name(), scratch.capacity());
    }
}

#[test]
fn bombs_go_off_within_the_limit() {
    let zeros = vec![0u8; 64 << 20];
    for codec in [Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd] {
        let bomb = compress(codec, None, &zeros).unwrap();
        let limit = 1 << 20;
        assert_eq!(decompress(codec, &bomb, limit), Err(RecordsError::TooLarge { codec, limit }));
    }
}
