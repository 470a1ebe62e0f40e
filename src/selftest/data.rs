//! A strategy moves the right bytes and counts them correctly.

use std::collections::HashSet;

use super::data_file::{DataFile, first_difference};
use super::subject::{CheckResult, Outcome, Subject};
use super::trial::{Shape, Trial};
use crate::engine::operation::Direction;
use crate::engine::pattern;

/// Block size, number of blocks, and margin of each case. The block sizes are one byte, sizes that are not
/// powers of two, a page, several pages, and the whole file. The numbers of blocks are multiples of
/// [`QUEUE`].
const SIZES: [(u64, u64, u64); 6] =
    [(1, 136, 1), (1000, 32, 0), (4096, 32, 1), (65_536, 8, 0), (1 << 20, 1, 0), (1_000_003, 1, 0)];
/// The same for O_DIRECT, in units of its alignment.
const UNITS: [(u64, u64, u64); 4] = [(1, 32, 1), (1, 8, 0), (5, 16, 1), (128, 1, 0)];
/// Queue depth between 1 and the maximum.
const QUEUE: u32 = 8;
/// Maximum depth that is tried: one block per operation must fit into memory and onto small filesystems.
const DEEPEST_TRIED: u32 = 4096;
/// Size of the pass that shows that bytes move.
const MOVED_BLOCK_BYTES: u64 = 4096;
const MOVED_BLOCKS: u64 = 4;
/// Block size for the deepest queue, rounded up to the alignment.
const DEEPEST_BLOCK_BYTES: u64 = 64;

/// Each direction moves bytes.
pub(super) fn both_ways(subject: &Subject) -> CheckResult {
    for direction in &subject.directions {
        moves(subject, *direction)?;
    }
    Ok(Outcome::Passed)
}

/// The subject, limited to the directions that move bytes, so that a direction that moves none fails one
/// check and not all.
pub(super) fn where_it_moves<'a>(subject: &Subject<'a>) -> Subject<'a> {
    let moves = |direction: &Direction| moves(subject, *direction).is_ok();
    let directions = subject.directions.iter().copied().filter(moves).collect();
    Subject { directions, ..*subject }
}

/// A pass in this direction succeeds and changes its destination, correctly or not.
pub(super) fn moves(subject: &Subject, direction: Direction) -> Result<(), String> {
    if !subject.info().properties.performs_io {
        return Ok(());
    }
    let shape = Shape::plain(MOVED_BLOCK_BYTES.next_multiple_of(subject.unit_bytes()), MOVED_BLOCKS);
    let file = DataFile::new(subject.folder, shape.file_bytes())?;
    let mut trial = Trial::open(subject, &file, shape, direction)?;
    trial.fill(|_, block| block.fill(POISON));
    let (outcome, _) = trial.attempt(&shape.offsets());
    outcome.map_err(|failure| failure.to_string())?;
    let untouched = match direction {
        Direction::Read => trial.slots()[0].iter().all(|byte| *byte == POISON),
        Direction::Write => file.verify().is_ok(),
    };
    match (untouched, direction) {
        (false, _) => Ok(()),
        (true, Direction::Read) => Err("reading succeeds but does not change the buffer".to_owned()),
        (true, Direction::Write) => Err("writing succeeds but does not change the file".to_owned()),
    }
}

/// The strategy reads the bytes that std::fs wrote.
pub(super) fn reads(subject: &Subject) -> CheckResult {
    if !subject.goes(Direction::Read) {
        return Ok(Outcome::DoesNotApply("reading moves no bytes".to_owned()));
    }
    for shape in shapes(subject) {
        let read = pieces_read(subject, shape).and_then(|()| whole_read(subject, shape));
        read.map_err(|fault| format!("reading {shape}: {fault}"))?;
    }
    Ok(Outcome::Passed)
}

/// std::fs reads the bytes that the strategy wrote, and nothing else changes.
pub(super) fn writes(subject: &Subject) -> CheckResult {
    if !subject.goes(Direction::Write) {
        return Ok(Outcome::DoesNotApply("writing moves no bytes".to_owned()));
    }
    for shape in shapes(subject) {
        let written = pieces_written(subject, shape).and_then(|()| whole_written(subject, shape));
        written.map_err(|fault| format!("writing {shape}: {fault}"))?;
    }
    Ok(Outcome::Passed)
}

/// Each I/O is counted once.
pub(super) fn counts(subject: &Subject) -> CheckResult {
    for shape in shapes(subject).into_iter().filter(|shape| shape.is_sequential()) {
        for direction in subject.directions.iter().copied() {
            let file = DataFile::new(subject.folder, shape.file_bytes())?;
            let counted =
                Trial::open(subject, &file, shape, direction).and_then(|mut trial| trial.pass_over_all());
            counted.map_err(|fault| format!("{} of {shape}: {fault}", direction.name()))?;
        }
    }
    Ok(Outcome::Passed)
}

/// Every size, in every order and with every kind of queue that the strategy supports.
fn shapes(subject: &Subject) -> Vec<Shape> {
    let unit_bytes = subject.unit_bytes();
    let sizes: &[(u64, u64, u64)] = if unit_bytes == 1 { &SIZES } else { &UNITS };
    let mut shapes = Vec::new();
    for (block, blocks, margin_blocks) in sizes {
        let plain = Shape::plain(block * unit_bytes, *blocks).with_margin(*margin_blocks);
        shapes.push(plain);
        if subject.limits.max_iodepth > 1 && *blocks > 1 {
            let depth = QUEUE.min(subject.limits.max_iodepth);
            shapes.extend([1, depth / 2, depth].map(|batch| plain.queued(depth, batch)));
        }
    }
    if subject.info().random {
        let several: Vec<Shape> = shapes.iter().copied().filter(|shape| shape.blocks() > 1).collect();
        shapes.extend(several.into_iter().map(Shape::shuffled));
    }
    if subject.limits.max_iodepth > 1 {
        shapes.push(deepest(subject));
    }
    shapes.retain(|shape| shape.block_bytes() <= subject.limits.max_block_bytes);
    shapes
}

/// The deepest queue that the strategy can open here. The limit of locked memory may allow less than the
/// strategy's own limit.
fn deepest(subject: &Subject) -> Shape {
    let block_bytes = DEEPEST_BLOCK_BYTES.next_multiple_of(subject.unit_bytes());
    let mut depth = subject.limits.max_iodepth.min(DEEPEST_TRIED);
    loop {
        // A few more operations than fit into the queue, so slots are used again.
        let shape = Shape::plain(block_bytes, u64::from(depth + QUEUE)).queued(depth, depth);
        let opened = DataFile::new(subject.folder, shape.file_bytes())
            .and_then(|file| Trial::open(subject, &file, shape, Direction::Read));
        if opened.is_ok() || depth <= QUEUE {
            return shape;
        }
        depth /= 2;
    }
}

/// A value that no block of a file is filled with.
const POISON: u8 = 0xa5;

/// Passes of as many blocks as the buffer has slots. Each block must arrive in its slot.
fn pieces_read(subject: &Subject, shape: Shape) -> Result<(), String> {
    let file = DataFile::new(subject.folder, shape.file_bytes())?;
    let mut trial = Trial::open(subject, &file, shape, Direction::Read)?;
    for (index, places) in shape.passes().iter().enumerate() {
        trial.fill(|_, block| block.fill(POISON));
        trial.pass(places)?;
        let block = |place: &u64| file.expected(*place, shape.block_bytes() as usize).to_vec();
        same_blocks(trial.slots(), places.iter().map(block).collect(), places, in_order(index, shape))?;
    }
    file.verify()
}

/// All blocks in one pass. Every slot must end with a block of the file.
fn whole_read(subject: &Subject, shape: Shape) -> Result<(), String> {
    let file = DataFile::new(subject.folder, shape.file_bytes())?;
    let mut trial = Trial::open(subject, &file, shape, Direction::Read)?;
    trial.fill(|_, block| block.fill(POISON));
    trial.pass_over_all()?;
    let places = shape.places();
    let known: HashSet<&[u8]> =
        places.iter().map(|place| file.expected(*place, shape.block_bytes() as usize)).collect();
    let slots = trial.slots();
    if let Some(index) = slots.iter().position(|slot| !known.contains(slot.as_slice())) {
        return Err(format!("after a full pass, block {index} of the buffer matches no block of the file"));
    }
    let last = file.expected(*places.last().unwrap_or(&0), shape.block_bytes() as usize);
    if slots.iter().any(|slot| slot == last) {
        Ok(())
    } else {
        Err("after a full pass, the last block of the file is not in the buffer".to_owned())
    }
}

/// Passes of as many different blocks as the buffer has slots. Each must arrive at its place.
fn pieces_written(subject: &Subject, shape: Shape) -> Result<(), String> {
    let length = shape.block_bytes() as usize;
    let mut file = DataFile::new(subject.folder, shape.file_bytes())?;
    let mut trial = Trial::open(subject, &file, shape, Direction::Write)?;
    for (index, places) in shape.passes().iter().enumerate() {
        // Every byte differs from that in the file, so the blocks also differ from each other.
        let opposite = |place: &u64| file.expected(*place, length).iter().map(|byte| !byte).collect();
        let blocks: Vec<Vec<u8>> = places.iter().map(opposite).collect();
        trial.fill(|slot, block| block.copy_from_slice(&blocks[slot]));
        trial.pass(places)?;
        if trial.slots() != blocks {
            return Err("writing changed the buffer".to_owned());
        }
        let found: Result<Vec<_>, _> = places.iter().map(|place| file.found(*place, length)).collect();
        let found = found?;
        same_blocks(found.clone(), blocks, places, in_order(index, shape))?;
        places.iter().zip(&found).for_each(|(place, block)| file.expect(*place, block));
        file.verify()?;
    }
    Ok(())
}

/// Offset at which the patterns of the buffer begin, beyond the file of any check.
const ELSEWHERE_BYTES: u64 = 1 << 40;

/// All blocks in one pass. Every place must end with the contents of a slot.
fn whole_written(subject: &Subject, shape: Shape) -> Result<(), String> {
    let length = shape.block_bytes() as usize;
    let mut file = DataFile::new(subject.folder, shape.file_bytes())?;
    let mut trial = Trial::open(subject, &file, shape, Direction::Write)?;
    trial.fill(|slot, block| pattern::fill(block, ELSEWHERE_BYTES + slot as u64 * shape.block_bytes()));
    trial.pass_over_all()?;
    let slots = trial.slots();
    let known: HashSet<&[u8]> = slots.iter().map(Vec::as_slice).collect();
    for place in shape.places() {
        let found = file.found(place, length)?;
        if !known.contains(found.as_slice()) {
            return Err(format!(
                "after a full pass, the file at offset {place} matches no block of the buffer"
            ));
        }
        file.expect(place, &found);
    }
    file.verify()
}

/// In the first pass, operations get slots in order. Later, a slot goes to the next operation when it is
/// free.
fn in_order(pass: usize, shape: Shape) -> bool {
    pass == 0 || shape.depth() == 1
}

/// The same blocks, in the same order if `ordered`.
fn same_blocks(
    mut found: Vec<Vec<u8>>,
    mut wanted: Vec<Vec<u8>>,
    places: &[u64],
    ordered: bool,
) -> Result<(), String> {
    if !ordered {
        found.sort_unstable();
        wanted.sort_unstable();
    }
    let wrong = found.iter().zip(&wanted).position(|(found, wanted)| found != wanted);
    match wrong {
        None => Ok(()),
        Some(_) if !ordered => Err(format!(
            "the blocks of the pass from offset {} do not match the blocks that were moved",
            places[0]
        )),
        Some(index) => {
            let byte = first_difference(&found[index], &wanted[index]).unwrap_or_default();
            Err(format!(
                "the block at offset {} differs from the expected data, starting at byte {byte}",
                places[index]
            ))
        }
    }
}
