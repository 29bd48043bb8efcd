package blas

import "golang.org/x/sys/cpu"

func init() {
	if !cpu.X86.HasAVX2 || !cpu.X86.HasFMA {
		return
	}
	levels = []*level{{"AVX2", 8, 2, [][]tile{
		{tileAVX2_1x1, tileAVX2_1x2},
		{tileAVX2_2x1, tileAVX2_2x2},
		{tileAVX2_3x1, tileAVX2_3x2},
		{tileAVX2_4x1, tileAVX2_4x2},
		{tileAVX2_5x1, tileAVX2_5x2},
		{tileAVX2_6x1, tileAVX2_6x2},
	}, []combine{combineAVX2_8, combineAVX2_4, combineAVX2_1}, []dots{dotsAVX2_1, dotsAVX2_4}, [][]gathered{
		{gatherAVX2_1x1, gatherAVX2_1x2},
		{gatherAVX2_2x1, gatherAVX2_2x2},
		{gatherAVX2_3x1, gatherAVX2_3x2},
		{gatherAVX2_4x1, gatherAVX2_4x2},
		{gatherAVX2_5x1, gatherAVX2_5x2},
		{gatherAVX2_6x1, gatherAVX2_6x2},
	}}}
	if cpu.X86.HasAVX512F {
		levels = append(levels, &level{"AVX-512", 16, 1, [][]tile{
			{tileAVX512_1x1, tileAVX512_1x2, tileAVX512_1x3},
			{tileAVX512_2x1, tileAVX512_2x2, tileAVX512_2x3},
			{tileAVX512_3x1, tileAVX512_3x2, tileAVX512_3x3},
			{tileAVX512_4x1, tileAVX512_4x2, tileAVX512_4x3},
			{tileAVX512_5x1, tileAVX512_5x2, tileAVX512_5x3},
			{tileAVX512_6x1, tileAVX512_6x2, tileAVX512_6x3},
			{tileAVX512_7x1, tileAVX512_7x2, tileAVX512_7x3},
			{tileAVX512_8x1, tileAVX512_8x2, tileAVX512_8x3},
		}, []combine{combineAVX512_8, combineAVX512_4, combineAVX512_1}, []dots{dotsAVX512_1, dotsAVX512_4}, [][]gathered{
			{gatherAVX512_1x1, gatherAVX512_1x2, gatherAVX512_1x3},
			{gatherAVX512_2x1, gatherAVX512_2x2, gatherAVX512_2x3},
			{gatherAVX512_3x1, gatherAVX512_3x2, gatherAVX512_3x3},
			{gatherAVX512_4x1, gatherAVX512_4x2, gatherAVX512_4x3},
			{gatherAVX512_5x1, gatherAVX512_5x2, gatherAVX512_5x3},
			{gatherAVX512_6x1, gatherAVX512_6x2, gatherAVX512_6x3},
			{gatherAVX512_7x1, gatherAVX512_7x2, gatherAVX512_7x3},
			{gatherAVX512_8x1, gatherAVX512_8x2, gatherAVX512_8x3},
		}})
	}
}
