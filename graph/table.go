package graph

import "slices"

// All is the op table: one entry for each op, the zero value of its type. Tests and generated docs range over it.
func All() []Sampled {
	return slices.Concat(
		leafOps,
		rangeOps,
		arithOps,
		unaryOps,
		activationOps,
		compareOps,
		matmulOps,
		reduceOps,
		cumSumOps,
		softmaxOps,
		attentionOps,
		shapeOps,
		sliceOps,
		splitOps,
		indexOps,
		elementOps,
		topKOps,
		freshOps,
		bitwiseOps,
		castOps,
		randomOps,
		convOps,
		poolOps,
		resizeOps,
		normOps,
		recurrentOps,
		groupNormOps,
		assertOps,
		finiteOps,
		barrierOps,
		bodyOps,
	)
}
