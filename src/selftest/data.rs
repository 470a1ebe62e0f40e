//! The bytes that a strategy moves are the right ones, and it counts them right.

use std::collections::HashSet;

use super::data_file::{DataFile, first_difference};
use super::subject::{CheckResult, Outcome, Subject};
use super::trial::{Shape, Trial};
use crate::engine::operation::Direction;
use crate::engine::pattern;

/// Block, number of blocks, margin. One byte; sizes that are no power of two; the page; a block
/// that takes several pages; and the whole file in one. The numbers are multiples of [`QUEUE`].
const SIZES: [(u64, u64, u64); 6] =
    [(1, 136, 1), (1000, 32, 0), (4096, 32, 1), (65_536, 8, 0), (1 << 20, 1, 0), (1_000_003, 1, 0)];
/// The same for O_DIRECT, in units of its alignment.
const UNITS: [(u64, u64, u64); 4] = [(1, 32, 1), (1, 8, 0), (5, 16, 1), (128, 1, 0)];
/// A queue that is neither empty nor the deepest.
const QUEUE: u32 = 8;
/// Deeper queues than this are not tried: a block for each place of the queue must fit into
/// memory and onto small filesystems.
const DEEPEST_TRIED: u32 = 4096;
/// The pass that shows whether anything moves.
const MOVED_BLOCK_BYTES: u64 = 4096;
const MOVED_BLOCKS: u64 = 4;
/// Block of the trial of the deepest queue, rounded up to the alignment.
const DEEPEST_BLOCK_BYTES: u64 = 64;

/// Each direction moves bytes at all.
pub(super) fn both_ways(subject: &Subject) -> CheckResult {
    for direction in &subject.directions {
        moves(subject, *direction)?;
    }
    Ok(Outcome::Passed)
}

/// The subject, checked only in the directions that move anything at all: what does not move is the fault of one check,
/// and not of all.
pub(super) fn where_it_moves<'a>(subject: &Subject<'a>) -> Subject<'a> {
    let moves = |direction: &Direction| moves(subject, *direction).is_ok();
    let directions = subject.directions.iter().copied().filter(moves).collect();
    Subject { directions, ..*subject }
}

/// Whether a pass in this direction succeeds and changes its destination; not whether it does so rightly.
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
        (true, Direction::Read) => Err("reading succeeds, and leaves the buffer as it was".to_owned()),
        (true, Direction::Write) => Err("writing succeeds, and leaves the file as it was".to_owned()),
    }
}

/// What is read through the strategy is what std::fs wrote.
pub(super) fn reads(subject: &Subject) -> CheckResult {
    if !subject.goes(Direction::Read) {
        return Ok(Outcome::DoesNotApply("reading moves nothing".to_owned()));
    }
    for shape in shapes(subject) {
        let read = pieces_read(subject, shape).and_then(|()| whole_read(subject, shape));
        read.map_err(|fault| format!("reading {shape}: {fault}"))?;
    }
    Ok(Outcome::Passed)
}

/// What is written through it is what std::fs reads, and nothing else changes.
pub(super) fn writes(subject: &Subject) -> CheckResult {
    if !subject.goes(Direction::Write) {
        return Ok(Outcome::DoesNotApply("writing moves nothing".to_owned()));
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

/// Every size in every order that the strategy knows, through every kind of queue.
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

/// The deepest queue that the strategy opens here: the memory that may be locked can be less
/// than what its limit needs.
fn deepest(subject: &Subject) -> Shape {
    let block_bytes = DEEPEST_BLOCK_BYTES.next_multiple_of(subject.unit_bytes());
    let mut depth = subject.limits.max_iodepth.min(DEEPEST_TRIED);
    loop {
        // Some more than fit into the queue at once: places are used again.
        let shape = Shape::plain(block_bytes, u64::from(depth + QUEUE)).queued(depth, depth);
        let opened = DataFile::new(subject.folder, shape.file_bytes())
            .and_then(|file| Trial::open(subject, &file, shape, Direction::Read));
        if opened.is_ok() || depth <= QUEUE {
            return shape;
        }
        depth /= 2;
    }
}

/// What no block of a file looks like for long.
const POISON: u8 = 0xa5;

/// As many blocks at a time as the buffer has slots: each must arrive, in its slot.
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

/// All blocks in one pass: every slot ends with some block of the file.
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
        return Err(format!("after the whole pass block {index} of the buffer holds no block of the file"));
    }
    let last = file.expected(*places.last().unwrap_or(&0), shape.block_bytes() as usize);
    if slots.iter().any(|slot| slot == last) {
        Ok(())
    } else {
        Err("after the whole pass the last block is not in the buffer".to_owned())
    }
}

/// As many different blocks at a time as the buffer has slots: each must arrive at its place.
fn pieces_written(subject: &Subject, shape: Shape) -> Result<(), String> {
    let length = shape.block_bytes() as usize;
    let mut file = DataFile::new(subject.folder, shape.file_bytes())?;
    let mut trial = Trial::open(subject, &file, shape, Direction::Write)?;
    for (index, places) in shape.passes().iter().enumerate() {
        // Different from what is there in every byte, so different from block to block too.
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

/// Where the patterns of the buffer begin: beyond any file of a check.
const ELSEWHERE_BYTES: u64 = 1 << 40;

/// All blocks in one pass: every place ends with what some slot holds.
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
            return Err(format!("after the whole pass the file holds no block of the buffer at {place}"));
        }
        file.expect(place, &found);
    }
    file.verify()
}

/// In the first pass the first operation gets the first slot, and so on. Later a slot goes to
/// whichever operation finds it free.
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
        Some(_) if !ordered => Err(format!("the blocks from {} on are not those that were moved", places[0])),
        Some(index) => {
            let byte = first_difference(&found[index], &wanted[index]).unwrap_or_default();
            Err(format!("the block at {} is wrong from its byte {byte} on", places[index]))
        }
    }
}
