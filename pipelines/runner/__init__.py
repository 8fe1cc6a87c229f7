"""Running stages: `run_stage(lake, call, runner=…)` runs a stage to its manifest, `replay` runs its failures again.

lake = Lake("lake")
call = StageCall(STAGE, STAGE.parameters(...), inputs=(upstream_key,), worker=WorkerSpec(identity, connect))
manifest = run_stage(lake, call)                     # in this process
manifest = run_stage(lake, call, runner=Beam())      # as a Beam pipeline
rows = lake.read(manifest.key, "samples")            # pa.Table
"""

from pipelines.runner.inputs import BadInput
from pipelines.runner.move import Beam, Processes, Runner, in_process
from pipelines.runner.replay import replay
from pipelines.runner.run import Progress, TooManyFailures, run_stage

__all__ = [
    "BadInput",
    "Beam",
    "Processes",
    "Progress",
    "Runner",
    "TooManyFailures",
    "in_process",
    "replay",
    "run_stage",
]
