"""Samples of both sides, and the table that they make."""

import json
import os
import platform
import statistics
import subprocess

from .servers import OTTLA, VERSION, ApacheKafka, Ottla


class Samples:
    def __init__(self):
        # metric -> side -> values, in the order in which metrics were first seen.
        self.values = {}

    def add(self, side, metric, value):
        self.values.setdefault(metric, {}).setdefault(side, []).append(value)

    def table(self):
        """Medians with the least and the greatest, and the ratio of the medians: Apache Kafka's over Ottla's."""
        rows = [("", ApacheKafka.name, Ottla.name, "ratio")]
        for metric, sides in self.values.items():
            theirs, ours = sides[ApacheKafka.name], sides[Ottla.name]
            divisor = statistics.median(ours)
            ratio = f"{statistics.median(theirs) / divisor:.2f}" if divisor else "-"
            rows.append((metric, spread(theirs), spread(ours), ratio))
        widths = [max(len(row[column]) for row in rows) for column in range(4)]
        lines = []
        for row in rows:
            cells = [row[0].ljust(widths[0]), *(cell.rjust(width) for cell, width in zip(row[1:], widths[1:], strict=True))]
            lines.append("  ".join(cells).rstrip())
        return "\n".join(lines)

    def save(self, path, about):
        with open(path, "w") as file:
            json.dump({"about": about, "samples": self.values}, file, indent=1)
            file.write("\n")


def spread(values):
    if len(values) == 1:
        return number(values[0])
    return f"{number(statistics.median(values))} ({number(min(values))} to {number(max(values))})"


def number(value):
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:.1f}" if abs(value) >= 10 else f"{value:.2f}"


def machine():
    """Where this is measured; a busy machine is named, since its numbers are worth little."""
    model = "unknown processor"
    with open("/proc/cpuinfo") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.partition(":")[2].strip()
                break
    java = subprocess.run(["java", "-version"], stderr=subprocess.PIPE, text=True, check=True).stderr.splitlines()[0]
    ottla = subprocess.run([OTTLA, "--version"], stdout=subprocess.PIPE, text=True, check=True).stdout.strip()
    about = [
        f"{model}, {os.cpu_count()} CPUs, Linux {platform.release()}",
        f"Apache Kafka {VERSION} ({java}); {ottla}, {OTTLA.stat().st_size / 1e6:.1f} MB",
    ]
    load = os.getloadavg()[0]
    if load > 0.5:
        about.append(f"NOTE: other programs keep this machine busy (load average {load:.1f})")
    return about
