"""The real Apache Kafka's jars, and our Java programs compiled against them."""

import shutil

from . import abilities, places, proc

TOOL_FLAGS = ["-Xmx512m", "-XX:+UseSerialGC", "-XX:TieredStopAtLevel=1", "-Dkafka.log.level=WARN"]


def command(version, main, *arguments, flags=None):
    """The command line that runs a class of that Apache Kafka (or of ours against it)."""
    settings = places.INTEROP / "apache-kafka"
    return [
        "java",
        *(flags or TOOL_FLAGS),
        f"-Dlog4j.configuration=file:{settings}/log4j.properties",
        f"-Dlog4j2.configurationFile={settings}/log4j2.properties",
        f"-Dnot.yet={','.join(abilities.missing(sorted(abilities.NAMES)))}",
        "-cp",
        f"{classes(version)}:{places.apache_kafka_libs(version)}/*",
        main,
        *arguments,
    ]


def classes(version):
    return places.INSTALLED / "java" / version


def install(version, log):
    """Fetches the jars and compiles clients/java against them, and clients/java-4 where they have what it uses."""
    for tool in ("java", "javac", "mvn"):
        if not shutil.which(tool):
            raise proc.LeftOut(f"{tool} is not installed")
    proc.run([places.INTEROP / "fetch-kafka", version], log, timeout=600)
    folders = ["java"] if version.startswith("3.") else ["java", "java-4"]
    sources = sorted(source for folder in folders for source in (places.CLIENTS / folder).glob("*.java"))
    out = classes(version)
    stamp = out / "compiled"
    if stamp.exists() and all(source.stat().st_mtime < stamp.stat().st_mtime for source in sources):
        return
    shutil.rmtree(out, ignore_errors=True)
    out.mkdir(parents=True)
    proc.run(["javac", "-nowarn", "-d", out, "-cp", f"{places.apache_kafka_libs(version)}/*", *sources], log, timeout=120)
    stamp.touch()
