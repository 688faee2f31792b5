"""The faults that `tests.mutants` tries: words of the program, what to put there instead, and who should notice."""

from dataclasses import dataclass


@dataclass(frozen=True)
class Mutant:
    """One fault.

    Args:
        name: its subject and what it does.
        file: of the repository.
        old: text that is in `file` exactly once.
        new: what stands there instead.
        tests: files, or tests in them, of which one must fail.
    """

    name: str
    file: str
    old: str
    new: str
    tests: tuple[str, ...]


SELECT, BUDGET, STEP = "lth_cli/core/select.py", "lth_cli/core/budget.py", "lth_cli/training/step.py"
REWIND, TRAINER, JOBS = "lth_cli/rewind.py", "lth_cli/training/trainer.py", "lth_cli/training/jobs.py"
MASKED, WEIGHTED = "lth_cli/controls/masked.py", "lth_cli/controls/weighted.py"
EXPERIMENT, STATISTICS = "lth_cli/results/experiment.py", "lth_cli/results/statistics.py"
COMPARE, VERIFY = "lth_cli/results/compare.py", "lth_cli/results/checks/verify.py"
REPLICATE, FIND = "lth_cli/lottery/replicate.py", "lth_cli/lottery/find.py"
MANIFEST, WRITE, INTACT = "lth_cli/rundir/manifest.py", "lth_cli/rundir/write.py", "lth_cli/rundir/intact.py"

RESTART = """

    def restart(self, saved: State, trained: State, at: int, total: int) -> Start:
        return Start(saved, schedule=at, order=at, iterations=total - at)
"""
EARLY, LATE = f"        return k{RESTART}", f"        return _part(self.fraction, total){RESTART}"

MUTANTS = [
    Mutant(
        "selection: one weight too few",
        SELECT,
        "room = k - remaining(kept)",
        "room = k - 1 - remaining(kept)",
        ("tests/test_select.py",),
    ),
    Mutant(
        "selection: of equal scores the later is kept",
        SELECT,
        ".flatten().nonzero()[:room, 0]",
        ".flatten().nonzero().flip(0)[:room, 0]",
        ("tests/test_select.py",),
    ),
    Mutant(
        "selection: a pruned weight is revived",
        SELECT,
        "(scores[name].to(kind) > threshold).logical_and_(m)",
        "(scores[name].to(kind) > threshold)",
        ("tests/test_select.py",),
    ),
    Mutant(
        "selection: NaN is a score",
        SELECT,
        "if bool(values.isnan().any()):",
        "if False:",
        ("tests/test_select.py",),
    ),
    Mutant(
        "masks: gradients are not masked",
        STEP,
        "torch._foreach_mul_([gradients[i] for i in self._masked], self.masks)",
        "pass",
        ("tests/test_training.py",),
    ),
    Mutant(
        "masks: weights are not masked after the step",
        STEP,
        "torch._foreach_mul_([self.params[i] for i in self._masked], self.masks)",
        "pass",
        ("tests/test_pruned_to.py",),
    ),
    Mutant("pruned_to: it is ignored", STEP, "if self.pruned_to:", "if False:", ("tests/test_pruned_to.py",)),
    Mutant(
        "rewinding: the schedule is not rewound",
        REWIND,
        EARLY,
        EARLY.replace("schedule=at", "schedule=0"),
        ("tests/test_rewind.py",),
    ),
    Mutant(
        "rewinding: the data order is not rewound",
        REWIND,
        LATE,
        LATE.replace("order=at", "order=0"),
        ("tests/test_rewind.py",),
    ),
    Mutant(
        "rewinding: buffers are not rewound",
        REWIND,
        EARLY,
        EARLY.replace("Start(saved,", "Start(State(saved.params, trained.buffers),"),
        ("tests/test_rewind.py", "tests/test_imp.py"),
    ),
    Mutant(
        "rewinding: learning-rate rewinding takes the saved weights",
        REWIND,
        "return Start(trained, schedule=back, order=back, iterations=total - back)",
        "return Start(saved, schedule=back, order=back, iterations=total - back)",
        ("tests/test_rewind.py", "tests/test_imp.py"),
    ),
    Mutant(
        "rewinding: the optimizer is not restored",
        TRAINER,
        "        if self.learner is None:\n            moments.put",
        "        if False:\n            moments.put",
        ("tests/test_order.py",),
    ),
    Mutant(
        "rewinding: the number of steps is not restored",
        "lth_cli/training/moments.py",
        "            _of_row(tensor, row, network.rows).copy_",
        "            tensor.dim() and _of_row(tensor, row, network.rows).copy_",
        ("tests/test_order.py",),
    ),
    Mutant(
        "data order: fixed is each round's own",
        TRAINER,
        "0 if self.fixed_order else job.round",
        "job.round",
        ("tests/test_order.py",),
    ),
    Mutant(
        "rewinding: a pruned weight forgets its last value",
        REPLICATE,
        "torch.where(m, state.params[name], before.params[name])",
        "state.params[name]",
        ("tests/test_imp.py", "tests/test_controls.py"),
    ),
    Mutant(
        "controls: invert forgets the ranks of earlier rounds",
        FIND,
        "Found(replace(one, ranks=ranks),",
        "Found(one,",
        ("tests/test_controls.py",),
    ),
    Mutant(
        "controls: the random mask is the ticket's", MASKED, "return drawn", "return m", ("tests/test_controls.py",)
    ),
    Mutant(
        "controls: layer counts are not checked",
        MASKED,
        "if masks.layer_counts(mask) != masks.layer_counts(ticket):",
        "if False:",
        ("tests/test_controls.py",),
    ),
    Mutant(
        "controls: the same fresh weights in all rounds",
        WEIGHTED,
        'context.stream("reinit")',
        'generator(context.seed, "reinit")',
        ("tests/test_controls.py", "tests/test_imp.py"),
    ),
    Mutant(
        "controls: signs are not kept",
        WEIGHTED,
        "_signed(fresh.params, ticket) if self.keep_sign else fresh.params",
        "fresh.params",
        ("tests/test_controls.py",),
    ),
    Mutant(
        "controls: pruned weights are reshuffled with the others",
        WEIGHTED,
        "kept = params[name][m]",
        "kept = params[name].flatten()",
        ("tests/test_controls.py",),
    ),
    Mutant(
        "statistics: the deviation of a population",
        COMPARE,
        "spread=stdev(accuracy)",
        "spread=stdev(accuracy) * math.sqrt(1 - 1 / len(accuracy))",
        ("tests/test_compare.py",),
    ),
    Mutant(
        "statistics: differences are not those of the same seed",
        EXPERIMENT,
        '(row["test_accuracy"] - theirs[s]["test_accuracy"])',
        '(row["test_accuracy"] - max(one["test_accuracy"] for one in theirs.values()))',
        ("tests/test_compare.py",),
    ),
    Mutant(
        "statistics: the tolerance has the other sign",
        STATISTICS,
        "one.p_below(-tolerance)",
        "one.p_below(tolerance)",
        ("tests/test_statistics.py",),
    ),
    Mutant(
        "statistics: one seed wins by anything",
        STATISTICS,
        "            return 1.0\n        if self.deviation == 0",
        "            return 0.0 if self.mean > bound else 1.0\n        if self.deviation == 0",
        ("tests/test_statistics.py",),
    ),
    Mutant(
        "statistics: rounds are not corrected for each other",
        STATISTICS,
        "(len(p) - place) * p[i]",
        "p[i]",
        ("tests/test_statistics.py",),
    ),
    Mutant(
        "statistics: tickets that go on are held against plain dense",
        EXPERIMENT,
        "return [DENSE, DENSE_RETRAINED] if go_on(self.config) else [DENSE]",
        "return [DENSE]",
        ("tests/test_claims.py",),
    ),
    Mutant(
        "resume: damaged rows count as intact",
        MANIFEST,
        "not (states[round] | rows).isdisjoint(broken)",
        "not states[round].isdisjoint(broken)",
        ("tests/test_resume.py",),
    ),
    Mutant(
        "resume: damaged files count as intact",
        MANIFEST,
        "return None if found == digest else",
        "return None if found else",
        ("tests/test_resume.py",),
    ),
    Mutant(
        "resume: rows are dropped from the tables",
        INTACT,
        "tables[table] += new",
        "tables[table] += new if round < rounds - 1 else b''",
        ("tests/test_resume.py",),
    ),
    Mutant(
        "resume: the manifest is written before the tables",
        WRITE,
        """        for table, text in rows.items():
            self._append(table, text)
        self.manifest.rows[round] = {table: sha256(text) for table, text in rows.items()}
        self.manifest.save(self.path)
""",
        """        self.manifest.rows[round] = {table: sha256(text) for table, text in rows.items()}
        self.manifest.save(self.path)
        for table, text in rows.items():
            self._append(table, text)
""",
        (
            "tests/test_rundir.py",
            "tests/test_shortage.py::test_a_full_disk_is_an_error_and_the_run_goes_on_when_there_is_room",
        ),
    ),
    Mutant(
        "resume: another config goes on",
        "lth_cli/command/resume.py",
        "changed = _changed(path, config) if _has_begun(path) else {}",
        "changed = {}",
        ("tests/test_resume.py",),
    ),
    Mutant(
        "resume: a checkpoint without the optimizer's moments",
        STEP,
        "*self.network.buffers.values(), *optimizer, self.loss",
        "*self.network.buffers.values(), self.loss",
        ("tests/test_checkpoints.py",),
    ),
    Mutant(
        "resume: a checkpoint without the noise",
        STEP,
        "self.loss, self.at, self.noise]",
        "self.loss, self.at]",
        ("tests/test_checkpoints.py",),
    ),
    Mutant(
        "resume: an epoch begins anew",
        TRAINER,
        "self.step.load(torch.stack(orders, dim=1), rates, at)",
        "self.step.load(torch.stack(orders, dim=1), rates, 0)",
        ("tests/test_checkpoints.py",),
    ),
    Mutant(
        "seeds: all purposes share a stream",
        "lth_cli/core/seeds.py",
        "(seed, purpose, *index)",
        "(seed, *index)",
        ("tests/test_seeds.py",),
    ),
    Mutant(
        "seeds: all rounds have one data order",
        "lth_cli/training/order.py",
        'generator(seed, "order", round, epoch, device=device)',
        'generator(seed, "order", epoch, device=device)',
        ("tests/test_training.py", "tests/test_imp.py"),
    ),
    Mutant(
        "seeds: a rewound ticket draws other noise",
        TRAINER,
        "trainer.noise_of(job) + job.start.order",
        "trainer.noise_of(job)",
        ("tests/test_training.py", "tests/test_imp.py"),
    ),
    Mutant(
        "schedule: rounding accumulates",
        BUDGET,
        "exact = sum(size.values()) * density",
        "exact = keep[-1].total * density / schedule(round - 1, rounds)",
        ("tests/test_schedules.py",),
    ),
    Mutant(
        "early stop: the last evaluation",
        JOBS,
        "min(self.curve[1:] or self.curve, key=lambda evaluation: evaluation.val_loss)",
        "self.curve[-1]",
        ("tests/test_training.py", "tests/test_rundir.py"),
    ),
    Mutant(
        "early stop: selected on test",
        JOBS,
        "key=lambda evaluation: evaluation.val_loss",
        "key=lambda evaluation: evaluation.test_loss",
        ("tests/test_training.py", "tests/test_rundir.py"),
    ),
    Mutant(
        "evaluation: in training mode",
        "lth_cli/training/networks.py",
        "_mode(self.module, training=False)\n        return lambda",
        "_mode(self.module, training=True)\n        return lambda",
        ("tests/test_training.py",),
    ),
    Mutant(
        "invariants: a revived weight is not noticed",
        "lth_cli/lottery/invariants.py",
        "masks.within(one.mask, previous[job.seed])",
        "True",
        ("tests/test_imp.py",),
    ),
    Mutant(
        "verify: nesting is not checked",
        VERIFY,
        '    ("nested", "no weight revived, round by round", rounds.nested),\n',
        "",
        ("tests/test_verify.py",),
    ),
    Mutant(
        "verify: the ticket's weights are not checked",
        "lth_cli/results/checks/tickets.py",
        "if not _are(ticket.weights, start.state.params):",
        "if False:",
        ("tests/test_verify.py",),
    ),
    Mutant(
        "pruned_to: a control is pruned to the ticket's start",
        "lth_cli/lottery/rounds.py",
        "pruned_to(arm.mask, arm.start.state.params,",
        "pruned_to(arm.mask, winning.start.state.params,",
        ("tests/test_pruned_to.py", "tests/test_imp.py"),
    ),
    Mutant(
        "rounds: a ticket that diverged leaves its controls",
        "lth_cli/lottery/rounds.py",
        "for group in groups if group[0] is not None for one in group",
        "for group in groups for one in group",
        ("tests/test_faults.py::test_an_arm_that_diverges_is_recorded_and_the_others_go_on",),
    ),
    Mutant(
        "learned masks: counts are not shared out by layer",
        "lth_cli/core/counts.py",
        "[([layer], self.by_layer[layer]) for layer in layers]",
        "[(list(layers), self.total)]",
        ("tests/test_select.py", "tests/test_learned.py"),
    ),
    Mutant(
        "setup: controls are not rehearsed",
        "lth_cli/setup/build.py",
        "    rehearse_controls(controls",
        "    False and rehearse_controls(controls",
        ("tests/test_rehearsal.py",),
    ),
    Mutant(
        "verify: what is not known passes for wrong",
        VERIFY,
        "[line for line in lines if not isinstance(line, NotKnown)]",
        "lines",
        ("tests/test_verify.py",),
    ),
]
