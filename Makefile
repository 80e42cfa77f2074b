# Every target does its own set-up and ends with `N passed, N failed, N skipped`.
# Works with GNU make 3.81 and with BSD make. PYTHON=/path/to/python3 chooses the interpreter.

PY = .venv/bin/python
# make demo RELEASE=14.3 GRAMMAR=ucl SSH=openssh: which FreeBSD is simulated, what its ctld reads, and by which SSH
# server it is reached.
RELEASE = 14.3
GRAMMAR = classic
SSH = auto
# make properties HISTORIES=100: how many histories, each time others.
HISTORIES = 40
# make soak SOAK="--operations 500 --seed 7": how much, and the choices of an earlier run again.
SOAK = --operations 10000
# make fuzz EXAMPLES=1000: how many requests of each kind, each time others.
EXAMPLES = 200
ENVIRONMENT = found=`sh tests/ci/python` && "$$found" tests/ci/environment.py

.PHONY: help environment demo test lint unit sanity sanity-plain sanity-doas warm soak-warm soak soak-quick slow properties fuzz faults playbooks molecule collection ansible-test deploy-check packaging bench-quick lock clean

help:
	@echo 'make demo          volumes from creation to deletion on a simulated FreeBSD host'
	@echo 'make test          everything that runs in under ten minutes'
	@echo 'make lint          ruff, mypy, import-linter, ansible-lint'
	@echo 'make unit          the unit tests'
	@echo 'make slow          the tests that take minutes: crashes at every command, several hosts, logins that are not root'
	@echo 'make sanity        csi-sanity: mount and block, one socket and split sockets'
	@echo 'make sanity-plain  the same with stock ansible-runner, slower'
	@echo 'make sanity-doas   some of it, with a driver that is not root on the storage host'
	@echo 'make warm          kill the warm processes, compare the rungs, look for leaks'
	@echo 'make soak-warm     the same with 2,000 runs'
	@echo 'make properties    random histories of volumes against a model; HISTORIES=100 says how many'
	@echo 'make fuzz          hostile input into every call and parser; EXAMPLES=1000 says how much'
	@echo 'make faults        every operation interrupted everywhere, and every trouble of a storage host; slow'
	@echo 'make soak-quick    three minutes of many users, random faults and killed controllers'
	@echo 'make soak          the same with 10,000 operations; SOAK="--seed 7" repeats a run'
	@echo 'make playbooks     playbooks and roles against the simulated host, twice and in check mode'
	@echo 'make collection    the collection on simulated hosts, and built, installed and used as its page says'
	@echo 'make ansible-test  the collection as ansible-test checks it; fetches what that needs'
	@echo 'make molecule      molecule scenarios: the collection and each role'
	@echo 'make deploy-check  the Kubernetes manifests, offline'
	@echo 'make packaging     the driver from the installed wheel, outside the tree'
	@echo 'make bench-quick   how long the usual operations take'
	@echo 'make lock          resolve the dependencies anew (needs uv)'
	@echo 'make clean         remove what the targets made in the tree'

environment:
	@$(ENVIRONMENT)

demo: environment
	@$(PY) -m tests.demo --release $(RELEASE) --grammar $(GRAMMAR) --ssh $(SSH)

test: environment
	@$(PY) -m tests.ci

lint: environment
	@$(PY) -m tests.ci.lint

unit: environment
	@$(PY) -m tests.ci unit

slow: environment
	@$(PY) -m tests.ci slow-collection slow-e2e slow-playbooks

sanity: environment
	@$(PY) -m tests.ci sanity

sanity-plain: environment
	@$(PY) -m tests.ci sanity-plain

sanity-doas: environment
	@$(PY) -m tests.ci sanity-doas

warm: environment
	@$(PY) -m tests.ci warm

soak-warm: environment
	@WARM_RUNS=2000 $(PY) -m tests.ci warm

properties: environment
	@HISTORIES=$(HISTORIES) $(PY) -m tests.ci properties

fuzz: environment
	@EXAMPLES=$(EXAMPLES) $(PY) -m tests.ci fuzz

faults: environment
	@$(PY) -m tests.ci faults troubles

soak-quick: environment
	@$(PY) -m tests.ci soak-quick

soak: environment
	@$(PY) -m tests.soak $(SOAK)

playbooks: environment
	@$(PY) -m tests.ci playbooks

collection: environment
	@$(PY) -m tests.ci collection howto

ansible-test: environment
	@$(PY) -m tests.ci ansible-test

molecule: environment
	@$(PY) -m tests.ci molecule

deploy-check: environment
	@$(PY) -m tests.ci deploy

packaging: environment
	@$(PY) -m tests.ci packaging

bench-quick: environment
	@$(PY) -m tests.bench.quick

lock:
	@sh tests/ci/lock

clean:
	rm -rf .venv .ansible .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
