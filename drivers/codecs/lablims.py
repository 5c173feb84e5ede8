"""The files that start a measurement in the manner of Bruker's LabLims (instruments.md 5.1).

    Job.xml          <MeasurementJob> SamplePosition, Priority, Permanent, ExperimentFileOrID, ScriptFile
    ScanParams.txt   sample_id;program; LF S1;10-80deg-8min;      what the script reads; its form is our own

The instrument takes Job.xml away when it begins. The result is named after the sample by the script.
"""

from __future__ import annotations

from xml.sax.saxutils import escape

JOB, PARAMS = "Job.xml", "ScanParams.txt"
_COLUMNS = "sample_id;program;"


def encode_job(position: str, experiment: str, script: str, priority: int) -> bytes:
    """Write the job of one sample."""
    fields = {
        "SamplePosition": position,
        "Priority": str(priority),
        "Permanent": "false",
        "ExperimentFileOrID": experiment,
        "ScriptFile": script,
    }
    lines = [f"  <{name}>{escape(value)}</{name}>" for name, value in fields.items()]
    return "\n".join(['<?xml version="1.0"?>', "<MeasurementJob>", *lines, "</MeasurementJob>", ""]).encode()


def encode_params(sample_id: str, program: str) -> bytes:
    """Write what the script is to know."""
    return f"{_COLUMNS}\n{sample_id};{program};\n".encode()


def sample_of_params(content: bytes) -> str | None:
    """Give whose parameters these are, or None where they are no such thing."""
    lines = content.decode(errors="replace").splitlines()
    return lines[1].partition(";")[0] if len(lines) > 1 and lines[0] == _COLUMNS else None
