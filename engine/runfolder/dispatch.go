package runfolder

import (
	"cohort/engine/refusal"
)

func Damaged(err error) error {
	return refusal.New("the run's folder is damaged: %w; restore it from a copy before anything is sent", err)
}
