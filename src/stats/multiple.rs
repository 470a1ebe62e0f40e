//! Correction of p-values for multiple tests.

/// Holm's step-down correction: the adjusted p-values, in the order of `p_values`.
///
/// Rejecting every hypothesis whose adjusted p-value is at most alpha keeps the probability of any false
/// rejection at or below alpha, for any dependence between the tests. Holm, "A Simple Sequentially Rejective
/// Multiple Test Procedure", Scandinavian Journal of Statistics 6(2), 1979; the default of R's `p.adjust`. A
/// value that is not a number counts as 1.
pub(super) fn holm(p_values: &[f64]) -> Vec<f64> {
    let known = |index: usize| if p_values[index].is_nan() { 1.0 } else { p_values[index] };
    let mut order: Vec<usize> = (0..p_values.len()).collect();
    order.sort_by(|&a, &b| known(a).total_cmp(&known(b)));
    let mut adjusted = vec![1.0; p_values.len()];
    let mut largest: f64 = 0.0;
    for (smaller, &index) in order.iter().enumerate() {
        let scaled = known(index) * (p_values.len() - smaller) as f64;
        // A larger p-value is never adjusted to less than a smaller one.
        largest = largest.max(scaled.min(1.0));
        adjusted[index] = largest;
    }
    adjusted
}

#[cfg(test)]
mod tests {
    use super::*;

    fn assert_all_close(got: &[f64], expected: &[f64]) {
        assert_eq!(got.len(), expected.len());
        for (got, expected) in got.iter().zip(expected) {
            assert!((got - expected).abs() < 1e-12, "{got} instead of {expected}");
        }
    }

    /// The fifteen p-values of Benjamini & Hochberg, J. R. Statist. Soc. B 57(1), 1995, section 3.2;
    /// adjusted by statsmodels 0.15.0 `multipletests(method="holm")`.
    #[test]
    fn matches_statsmodels() {
        let p_values = [
            0.0001, 0.0004, 0.0019, 0.0095, 0.0201, 0.0278, 0.0298, 0.0344, 0.0459, 0.3240, 0.4262, 0.5719,
            0.6528, 0.7590, 1.0,
        ];
        let expected = [
            0.0015, 0.0056, 0.0247, 0.114, 0.2211, 0.278, 0.278, 0.278, 0.3213, 1.0, 1.0, 1.0, 1.0, 1.0, 1.0,
        ];
        assert_all_close(&holm(&p_values), &expected);
    }

    /// Also statsmodels 0.15.0: the input may be in any order, and 0.04 is adjusted to no less than 0.03 is.
    #[test]
    fn keeps_the_order_and_is_monotone() {
        assert_all_close(&holm(&[0.01, 0.04, 0.03, 0.005, 0.9]), &[0.04, 0.09, 0.09, 0.025, 0.9]);
    }

    #[test]
    fn a_value_that_is_not_a_number_counts_as_one() {
        assert_all_close(&holm(&[f64::NAN, 0.01]), &[1.0, 0.02]);
        assert!(holm(&[]).is_empty());
    }
}
