# cohort: build, try, test.

GO ?= go

.PHONY: help build docs run test race prove soak gameday lint fuzz bench clean

help: ## what there is
	@awk -F ':.*## ' '/^[a-z]+:.*## /{printf "  make %-8s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

build: ## bin/cohort
	$(GO) build -o bin/cohort ./cmd/cohort

docs: build ## docs/commands.md, and man pages and shell completions in bin/docs
	rm -rf bin/docs
	bin/cohort docs bin/docs
	cp bin/docs/commands.md docs/commands.md

run: build ## send a synthetic cohort of 100,000 through the embedded simulator
	@rm -rf .run && mkdir .run && cp fixtures/campaign.yaml .run/
	cd .run && ../bin/cohort generate -n 100000 --bad 0.005 -o cohort.csv
	cd .run && ../bin/cohort send -c campaign.yaml cohort.csv --simulate

test: ## every test that fits in five minutes on two cores
	$(GO) test -parallel 8 ./engine/dispatch ./cmd/cohort ./... # the longest first; most of them wait for other processes

race: ## the same under the race detector
	$(GO) test -race ./...

# What PROOF.md tells of, by the words in the tests' names.
PROOFS = Cut|Crash|Poison|Disk|Fail|Fault|Damage|Flipped|Truncation|Sectors|Groups|Search|Unsafe|Model|Kill|Misfortune|Preparing|Lost|Recover|Retr|List|Suppression|Planted|Golden|Transitions|Callbacks|Receipts|Outage|Quiet|Incidents|Counters|Share

prove: ## the crash proofs at length: ten times the power cuts, twice the kills
	COHORT_PROVE=1 $(GO) test -count=1 -timeout 60m -run '$(PROOFS)' ./engine/... ./cmd/... ./sinks/file
	cd engine/journal/oracle && COHORT_PROVE=1 $(GO) test -count=1 ./...

MINUTES ?= 10

soak: ## random misfortunes around the real binary for MINUTES=10; stops at the first that costs anything
	COHORT_SOAK=$(MINUTES) $(GO) test -count=1 -timeout 0 -v -run '^TestSoak$$' ./cmd/cohort

gameday: ## incidents at the simulator, each ended by the commands of its runbook; prints a report
	@mkdir -p bin && rm -f bin/gameday.txt
	@COHORT_GAMEDAY=$(CURDIR)/bin/gameday.txt $(GO) test -count=1 -run '^TestGameDay$$' ./cmd/cohort; \
		end=$$?; cat bin/gameday.txt; exit $$end

lint: ## gofmt, go vet, staticcheck
	@test -z "$$(gofmt -l .)" || { echo "gofmt would change:"; gofmt -l .; exit 1; }
	$(GO) vet ./...
	$(GO) tool staticcheck ./...
	cd engine/journal/oracle && $(GO) vet ./...

fuzz: ## a minute for each fuzz target
	@for package in $$($(GO) list ./...); do \
		for target in $$($(GO) test -list '^Fuzz' $$package | grep '^Fuzz'); do \
			echo "$$package $$target"; $(GO) test -run '^$$' -fuzz "^$$target$$" -fuzztime 1m $$package || exit 1; \
		done; \
	done

bench: ## Go benchmarks of parts of the code; go run ./bench measures the program
	$(GO) test -run '^$$' -bench . -benchmem ./...

clean: ## what building and running leave
	rm -rf bin .run
