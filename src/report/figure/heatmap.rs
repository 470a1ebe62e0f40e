//! Medians over two numeric axes as colours.

use super::super::axes::{Axis, Layout, NUMERIC};
use super::curves::{axis_title, horizontal, without};
use super::group::{Grouped, Measured};
use super::quantity::Quantity;
use super::scale::number;
use super::{Cell, Figure, FigureOptions, Panel, Shades, caption};
use crate::error::Error;
use crate::stats;

/// The layout of a heatmap: two numeric axes, and a panel per combination of the others.
///
/// # Errors
/// A usage error if the points do not differ on two numeric axes.
pub(super) fn layout(layout: &Layout, varying: &[Axis], options: &FigureOptions) -> Result<Layout, Error> {
    let numeric: Vec<Axis> = NUMERIC.into_iter().filter(|axis| varying.contains(axis)).collect();
    let other = |axis: &&Axis| **axis != layout.x;
    let series = options.series.filter(|axis| NUMERIC.contains(axis)).or(numeric.iter().find(other).copied());
    let Some(series) = series.filter(|_| numeric.contains(&layout.x)) else {
        return Err(Error::usage(
            "plot: --kind heatmap needs results that differ on two of buffersize, iodepth and threads; \
             sweep over lists of two of them",
        ));
    };
    let panels = varying.iter().copied().filter(|axis| ![layout.x, series].contains(axis)).collect();
    Ok(Layout { x: layout.x, series, panels })
}

/// The medians of all points.
///
/// # Errors
/// A usage error if no point has the quantity.
pub(super) fn figure(grouped: &Grouped, options: &FigureOptions) -> Result<Figure, Error> {
    let Grouped { layout, panels } = grouped;
    let points = || panels.iter().flat_map(|(_, curves)| curves).flat_map(|curve| &curve.points);
    let values = |axis: Axis| {
        let mut all: Vec<f64> = points().filter_map(|it| axis.value(it.configuration).number).collect();
        all.sort_by(f64::total_cmp);
        all.dedup();
        all
    };
    let (columns, rows) = (values(layout.x), values(layout.series));
    let panels: Vec<Panel> = panels
        .iter()
        .map(|(heading, curves)| Panel {
            heading: heading.clone(),
            cells: curves
                .iter()
                .filter(|curve| !curve.is_floor)
                .flat_map(|curve| &curve.points)
                .filter_map(|point| cell(point, layout, (&columns, &rows), options.y))
                .collect(),
            ..Panel::default()
        })
        .filter(|panel| !panel.cells.is_empty())
        .collect();
    let cells = || panels.iter().flat_map(|panel| &panel.cells).map(|cell| cell.value);
    let (low, high) = cells().fold((f64::MAX, f64::MIN), |(low, high), it| (low.min(it), high.max(it)));
    if panels.is_empty() {
        return Err(without(options.y));
    }
    let mut x = horizontal(layout.x, columns.iter().copied());
    let mut y = horizontal(layout.series, rows.iter().copied());
    (x.low, x.high) = (edges(&columns, 0).0, edges(&columns, columns.len() - 1).1);
    (y.low, y.high) = (edges(&rows, 0).0, edges(&rows, rows.len() - 1).1);
    y.title = axis_title(layout.series).to_owned();
    let (name, unit) = (options.y.name(), options.y.unit());
    let title = format!("{name} by {} and {}", caption::lower(x.quantity()), caption::lower(y.quantity()));
    Ok(Figure {
        title,
        caption: vec![format!("Colours and numbers are medians of the {name}, in {unit}.")],
        x,
        y,
        log: None,
        log_y: false,
        panels,
        columns: Vec::new(),
        shades: Some(Shades { low, high, name, unit }),
    })
}

/// The cell of a point.
fn cell(
    point: &Measured,
    layout: &Layout,
    (columns, rows): (&[f64], &[f64]),
    quantity: Quantity,
) -> Option<Cell> {
    let values = point.values(quantity);
    let value = stats::median(&values)?;
    let place = |axis: Axis, all: &[f64]| {
        let number = axis.value(point.configuration).number?;
        Some(edges(all, all.iter().position(|known| *known == number)?))
    };
    let names = [layout.x, layout.series].map(|axis| axis.value(point.configuration).words);
    Some(Cell {
        x: place(layout.x, columns)?,
        y: place(layout.series, rows)?,
        value,
        label: number(value),
        words: format!(
            "{}\nmedian {} {}\nn = {}",
            names.join(", "),
            number(value),
            quantity.unit(),
            values.len()
        ),
    })
}

/// The edges of the cell of a value: half-way to its neighbours on a logarithmic scale.
fn edges(values: &[f64], index: usize) -> (f64, f64) {
    let value = values[index];
    let half_way = |other: Option<&f64>| other.map(|other| (other * value).sqrt());
    let below = half_way(index.checked_sub(1).and_then(|below| values.get(below)));
    let above = half_way(values.get(index + 1));
    let low = below.unwrap_or_else(|| above.map_or(value / 1.4, |above| value * value / above));
    let high = above.unwrap_or_else(|| value * value / low);
    (low, high)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn cells_meet_half_way_between_their_values() {
        let values = [1.0, 2.0, 8.0];
        let all: Vec<(f64, f64)> = (0..3).map(|index| edges(&values, index)).collect();
        assert_eq!((all[0].1, all[1].1), (all[1].0, all[2].0));
        assert!((all[0].0 - 0.5_f64.sqrt()).abs() < 1e-12 && (all[2].1 - 16.0).abs() < 1e-12, "{all:?}");
        let (low, high) = edges(&[4096.0], 0);
        assert!(low < 4096.0 && high > 4096.0);
    }
}
