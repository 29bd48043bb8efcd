package kernel

import "golang.org/x/sys/cpu"

func init() {
	pause = spinPause
	if !cpu.X86.HasAVX2 {
		return
	}
	loops.add, loops.sub, loops.mul, loops.div, loops.lerp = addAVX2, subAVX2, mulAVX2, divAVX2, lerpAVX2
	loops.shift, loops.scale, loops.over, loops.from, loops.into = shiftAVX2, scaleAVX2, overAVX2, fromAVX2, intoAVX2
	loops.square, loops.sqrt = squareAVX2, sqrtAVX2
	loops.relu, loops.leakyReLU, loops.step = reluAVX2, leakyReLUAVX2, stepAVX2
	loops.fill, loops.sum, loops.dot, loops.finite = fillAVX2, sumAVX2, dotAVX2, finiteAVX2
	loops.transpose, loops.maxFours, loops.scatterFours = transposeAVX2, maxFoursAVX2, scatterFoursAVX2
	loops.uniform, loops.normal = uniformAVX2, normalAVX2
	loops.equal, loops.notEqual, loops.less, loops.lessEqual = equalAVX2, notEqualAVX2, lessAVX2, lessEqualAVX2
	loops.and, loops.or, loops.differ = andAVX2, orAVX2, differAVX2
	loops.where, loops.flags, loops.keep, loops.max = whereAVX2, flagsAVX2, keepAVX2, maxAVX2
	loops.exp = func(out, a *float32, n int) int { return expAVX2(out, a, n, &powers[0]) }
	loops.sigmoid = func(out, a *float32, n int) int { return sigmoidAVX2(out, a, n, &powers[0]) }
	loops.silu = func(out, a *float32, n int) int { return siluAVX2(out, a, n, &powers[0]) }
	loops.tanh = func(out, a, _ *float32, n int, _ float32) { tanhAVX2(out, a, n, &powers[0]) }
	loops.erf = func(out, a, _ *float32, n int, _ float32) {
		erfAVX2(out, a, n, &powers[0], &erfcCurve[0], &erfCurve[0])
	}
	loops.gelu = func(out, a, _ *float32, n int, _ float32) { geluAVX2(out, a, n, &powers[0], &erfcCurve[0]) }
	loops.softplus = func(out, a *float32, n int) int { return softplusAVX2(out, a, n, &softplusSeries[0][0]) }
	levels = append(levels, level{"AVX2", loops})
	if !cpu.X86.HasAVX512F || !cpu.X86.HasAVX512DQ {
		return
	}
	loops.exp = func(out, a *float32, n int) int { return expAVX512(out, a, n, &powers[0]) }
	loops.sigmoid = func(out, a *float32, n int) int { return sigmoidAVX512(out, a, n, &powers[0]) }
	loops.silu = func(out, a *float32, n int) int { return siluAVX512(out, a, n, &powers[0]) }
	loops.tanh = func(out, a, _ *float32, n int, _ float32) { tanhAVX512(out, a, n, &powers[0]) }
	loops.erf = func(out, a, _ *float32, n int, _ float32) {
		erfAVX512(out, a, n, &powers[0], &erfcCurve[0], &erfCurve[0])
	}
	loops.gelu = func(out, a, _ *float32, n int, _ float32) { geluAVX512(out, a, n, &powers[0], &erfcCurve[0]) }
	levels = append(levels, level{"AVX-512", loops})
}
