//! Selection of jobs that fit into a budget.

/// For each of `costs`, true if `budget` covers the job. The cheapest jobs are selected first, so that as
/// many as possible are. Costs and budget have the same unit.
///
/// Smith, "Various optimizers for single-stage production", Naval Research Logistics Quarterly 3, 1956:
/// running the shortest jobs first minimises the mean completion time, and at any moment the most jobs are
/// complete.
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
    fn the_cheapest_jobs_are_selected_first() {
        assert_eq!(affordable(&[5.0, 1.0, 9.0, 3.0], 9.0), [true, true, false, true]);
        assert_eq!(affordable(&[5.0, 1.0, 9.0, 3.0], 8.9), [false, true, false, true]);
        assert_eq!(affordable(&[5.0, 6.0], 4.0), [false, false]);
        assert_eq!(affordable(&[], 4.0), [false; 0]);
    }

    #[test]
    fn infinite_and_undefined_costs_are_never_affordable() {
        assert_eq!(affordable(&[f64::INFINITY, 1.0, f64::NAN, 0.0], 10.0), [false, true, false, true]);
    }
}
