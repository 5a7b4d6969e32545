package runfolder

import (
	"cohort/engine/refusal"
)

func Damaged(err error) error {
	return refusal.New("folder_damaged", "cause", err)
}
