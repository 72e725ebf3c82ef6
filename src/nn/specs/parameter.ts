// The roles of parameters.

/** The role of a parameter. It decides whether weight decay applies and in which type gradients are
 * summed: `weight` in float32; `bias` and `norm`, which are small sums of many terms, in float64.
 * A slope counts as a bias. */
export type ParameterRole = 'weight' | 'bias' | 'norm';
