package bench

import "slices"

// Median is the middle one of some values, or the mean of the two in the middle; 0 of
// none.
func Median(values []float64) float64 {
	if len(values) == 0 {
		return 0
	}
	sorted := slices.Sorted(slices.Values(values))
	half := len(sorted) / 2
	if len(sorted)%2 == 1 {
		return sorted[half]
	}
	return (sorted[half-1] + sorted[half]) / 2
}

// MedianUsage takes the median of each figure by itself.
func MedianUsage(usages []Usage) Usage {
	of := func(figure func(Usage) float64) float64 {
		var values []float64
		for _, u := range usages {
			values = append(values, figure(u))
		}
		return Median(values)
	}
	return Usage{
		Seconds: of(func(u Usage) float64 { return u.Seconds }),
		CPU:     of(func(u Usage) float64 { return u.CPU }),
		Peak:    int64(of(func(u Usage) float64 { return float64(u.Peak) })),
	}
}
