"""kafka-storage.sh"""

from harness.case import Case, step

NODE = """process.roles=broker,controller
node.id=3
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092,CONTROLLER://:9093
controller.listener.names=CONTROLLER
"""
ONE_DIR = NODE + "log.dirs={dir}/data\n"
THREE_DIRS = NODE + "log.dirs={dir}/a,{dir}/b,{dir}/c\nmetadata.log.dir={dir}/b\n"
STATIC = ONE_DIR.replace("controller.quorum.bootstrap.servers=localhost:9093", "controller.quorum.voters=3@localhost:9093")
BROKER = """process.roles=broker
node.id=4
controller.quorum.bootstrap.servers=localhost:9093
listeners=PLAINTEXT://:9092
controller.listener.names=CONTROLLER
log.dirs={dir}/data
"""
CLUSTER = "-t MkU3OEVBNTcwNTJENDM2Qk"
VOTER = "3@localhost:9093:JEXY6aqzQY-32P5TStzaFg"


def storage(line, **more):
    return step("kafka-storage", line, **more)


def formatting(name, properties, *options, then=()):
    """One way to format: what is printed, and which bytes are written."""
    steps = [storage(f"format {CLUSTER} -c {{dir}}/server.properties {option}") for option in options]
    steps += [storage(line) for line in then]
    steps.append(storage("info -c {dir}/server.properties"))
    return Case(f"storage-{name}", steps, files={"server.properties": properties}, compare_files=True)


CASES = [
    formatting("standalone", ONE_DIR, "--standalone", "--standalone", "--standalone --ignore-formatted"),
    formatting("three-dirs", THREE_DIRS, "-s"),
    formatting("initial-controllers", THREE_DIRS, f"--initial-controllers {VOTER}"),
    formatting("initial-controllers-elsewhere", ONE_DIR, "-I 4@[::1]:9094:MvDxzVmcRsaTz33bUuRU6A"),
    formatting("no-initial-controllers", ONE_DIR, "-N"),
    formatting("static", STATIC, ""),
    formatting("broker", BROKER, ""),
    formatting("old-release", STATIC, "-r 3.7"),
    formatting("features", ONE_DIR, "-s -r 4.0 -f transaction.version=1 -f group.version=0 -f eligible.leader.replicas.version=1"),
    formatting(
        "scram",
        ONE_DIR,
        "-N -S SCRAM-SHA-256=[name=alice,salt=\"N3E=\",password=secret] -S SCRAM-SHA-512=[name=bob,iterations=8192,salt=\"N3E=\",saltedpassword=\"YCE=\"]",
    ),
    formatting(
        "errors",
        ONE_DIR,
        "",
        "-I x",
        "-I ,",
        f"-I {VOTER},{VOTER}",
        "-s -I x",
        "-s -N",
        "-N -r 3.2",
        "-N -r 4.4",
        "-N -f foo",
        "-N -f foo=x",
        "-N -f foo=1",
        "-N -f group.version=9",
        "-N -f kraft.version=0",
        "-N -r 4.0 -f metadata.version=25",
        "-N -r 3.9 -f eligible.leader.replicas.version=1",
        "-N -S foo",
        "-N -S SCRAM-SHA-1=[name=a,password=b]",
        "-N -S SCRAM-SHA-256=[name=a]",
        "-N -r 3.4 -S SCRAM-SHA-256=[name=a,password=b]",
        "--bogus",
        "-N",
        then=[
            "format -t other -c {dir}/server.properties -N",
            "format -t MkU3OEVBNTcwNTJENDM2Qk -c {dir}/server.properties -N -g",
            "format -c {dir}/server.properties -N -t",
            "format -t x -c {dir}/missing.properties",
            "format --cluster=MkU3OEVBNTcwNTJENDM2Qk --config={dir}/server.properties -Ng",
        ],
    ),
    Case(
        "storage-static-errors",
        [
            storage(f"format {CLUSTER} -c {{dir}}/static.properties -s"),
            storage(f"format {CLUSTER} -c {{dir}}/static.properties -f kraft.version=1"),
            storage(f"format {CLUSTER} -c {{dir}}/broker.properties -s"),
            storage(f"format {CLUSTER} -c {{dir}}/none.properties", own_error=True),
            storage("info -c {dir}/static.properties"),
            storage("info -c {dir}/file.properties"),
        ],
        files={
            "static.properties": STATIC,
            "broker.properties": BROKER,
            "none.properties": "log.dirs={dir}/data\n",
            "file.properties": NODE + "log.dirs={dir}/file.properties,{dir}\n",
        },
    ),
    Case(
        "storage-other-commands",
        [
            storage(""),
            storage("--help", only_code=True),
            storage("format --help", only_code=True),
            storage("--version"),
            storage("nonsense"),
            storage("info"),
            storage("format"),
            storage("random-uuid"),
            storage("random-uuid extra"),
            storage("version-mapping"),
            *[storage(f"version-mapping -r {version}") for version in ("3.3", "3.4-IV0", "3.9", "4.0", "4.1.2", "4.3", "4.4-IV0", "9")],
            storage("feature-dependencies"),
            storage("feature-dependencies --feature a"),
            storage("feature-dependencies -f group.version=1 -f share.version=1 -f metadata.version=25 -f transaction.version=2"),
            storage("feature-dependencies -f kraft.version=1 -f streams.version=1 -f eligible.leader.replicas.version=1"),
            storage("feature-dependencies -f metadata.version=99"),
            storage("feature-dependencies -f group.version=x"),
            storage("feature-dependencies -f group.version=7"),
            storage("feature-dependencies -f nonsense.version=1"),
        ],
    ),
]
