//! What to do with a budget that does not suffice for everything.

/// Which of the jobs a budget suffices for, cheapest first: so many are done as can be. Both in the same unit.
///
/// Smith, "Various optimizers for single-stage production", Naval Research Logistics Quarterly 3, 1956: in the order of
/// their length, jobs are done at the earliest on average, and at any moment most of them.
pub fn affordable(costs: &[f64], budget: f64) -> Vec<bool> {
    let mut order: Vec<usize> = (0..costs.len()).collect();
    order.sort_by(|&a, &b| costs[a].total_cmp(&costs[b]));
    let mut affordable = vec![false; costs.len()];
    let mut spent = 0.0;
    for index in order {
        spent += costs[index];
        affordable[index] = spent <= budget;
    }
    affordable
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_cheapest_are_afforded_first() {
        assert_eq!(affordable(&[5.0, 1.0, 9.0, 3.0], 9.0), [true, true, false, true]);
        assert_eq!(affordable(&[5.0, 1.0, 9.0, 3.0], 8.9), [false, true, false, true]);
        assert_eq!(affordable(&[5.0, 6.0], 4.0), [false, false]);
        assert_eq!(affordable(&[], 4.0), [false; 0]);
    }

    #[test]
    fn what_nobody_can_pay_is_not_afforded() {
        assert_eq!(affordable(&[f64::INFINITY, 1.0, f64::NAN, 0.0], 10.0), [false, true, false, true]);
    }
}
