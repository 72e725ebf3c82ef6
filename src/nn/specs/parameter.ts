// The roles of parameters.

/** What a parameter is for. Decides its weight decay and the type in which its gradients are
 * summed: `weight` in float32; `bias` and `norm`, which are small sums of many terms, in
 * float64; a slope counts as a bias. */
export type ParameterRole = 'weight' | 'bias' | 'norm';
