//! Appends that fail or take their time, loading, resigning.

use crate::check;
use expect_test::expect;

#[test]
fn a_commit_that_cannot_be_appended_is_taken_back() {
    check(
        "
        a: commit g t1/0=5
        fail NOT_ENOUGH_REPLICAS
        a: commit g t1/0=6 t2/0=1
        a: fetch g
        fail MESSAGE_TOO_LARGE
        a: commit h t1/0=6
        show
        ",
        expect![[r#"
            a: commit g t1/0=5
                append offset g t1/0 v4 = 5 at 0
                a <- t1/0 NONE
            fail NOT_ENOUGH_REPLICAS
            a: commit g t1/0=6 t2/0=1
                append offset g t1/0 v4 = 6 at 0
                  with offset g t2/0 v4 = 1 at 0
                the append fails: NOT_ENOUGH_REPLICAS
                a <- t1/0 COORDINATOR_NOT_AVAILABLE, t2/0 COORDINATOR_NOT_AVAILABLE
            a: fetch g
                a <- NONE t1/0=5
            fail MESSAGE_TOO_LARGE
            a: commit h t1/0=6
                append offset h t1/0 v4 = 6 at 0
                the append fails: MESSAGE_TOO_LARGE
                a <- t1/0 UNKNOWN_SERVER_ERROR
            show
                g: Empty generation 0 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn a_group_that_cannot_be_stored_is_gone() {
    check(
        "
        fail NOT_LEADER_OR_FOLLOWER
        a: join g v=3
        show
        fail KAFKA_STORAGE_ERROR
        a: join g v=9
        show
        ",
        expect![[r#"
            fail NOT_LEADER_OR_FOLLOWER
            a: join g v=3
                append group g v3: generation 0, type "", protocol None, leader none, since 0
                the append fails: NOT_LEADER_OR_FOLLOWER
                a <- NOT_COORDINATOR member a#1
            show
            fail KAFKA_STORAGE_ERROR
            a: join g v=9
                a <- MEMBER_ID_REQUIRED member a#2
                append group g v3: generation 0, type "", protocol None, leader none, since 0
                the append fails: KAFKA_STORAGE_ERROR
            show
        "#]],
    );
}

#[test]
fn an_assignment_that_cannot_be_stored_makes_all_rejoin() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        fail NOT_ENOUGH_REPLICAS
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        show
        a: join g member=a#1 v=3
        b: join g member=b#1 v=3
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=3
            a: join g member=a#1 v=3
                a <- joined generation 2 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1)
                b <- joined generation 2 as b#1, leader a#1, protocol Some("range")
            b: sync g member=b#1 gen=2
            fail NOT_ENOUGH_REPLICAS
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                the append fails: NOT_ENOUGH_REPLICAS
                a <- COORDINATOR_NOT_AVAILABLE
                b <- COORDINATOR_NOT_AVAILABLE
            show
                g: PreparingRebalance generation 2 leader a#1 members [a#1, b#1] pending 0
            a: join g member=a#1 v=3
            b: join g member=b#1 v=3
                a <- joined generation 3 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1)
                b <- joined generation 3 as b#1, leader a#1, protocol Some("range")
        "#]],
    );
}

#[test]
fn an_assignment_that_waits_too_long_makes_all_rejoin() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        hold-hw
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        wait 5000
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=3
            a: join g member=a#1 v=3
                a <- joined generation 2 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1)
                b <- joined generation 2 as b#1, leader a#1, protocol Some("range")
            b: sync g member=b#1 gen=2
            hold-hw
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
            wait 5000
              at 5000 ms
                a <- COORDINATOR_NOT_AVAILABLE
                b <- COORDINATOR_NOT_AVAILABLE
            show
                g: PreparingRebalance generation 2 leader a#1 members [a#1, b#1] pending 0
        "#]],
    );
}

#[test]
fn an_assignment_is_dropped_when_a_rebalance_was_faster() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        hold-hw
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        c: join g v=3
        release-hw
        a: join g member=a#1 v=3
        b: join g member=b#1 v=3
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=3
            a: join g member=a#1 v=3
                a <- joined generation 2 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1)
                b <- joined generation 2 as b#1, leader a#1, protocol Some("range")
            b: sync g member=b#1 gen=2
            hold-hw
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
            c: join g v=3
                a <- REBALANCE_IN_PROGRESS
                b <- REBALANCE_IN_PROGRESS
            release-hw
            a: join g member=a#1 v=3
            b: join g member=b#1 v=3
                a <- joined generation 3 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1), c#1 (t1)
                b <- joined generation 3 as b#1, leader a#1, protocol Some("range")
                c <- joined generation 3 as c#1, leader a#1, protocol Some("range")
        "#]],
    );
}

#[test]
fn an_assignment_is_held_until_it_is_committed() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        hold-hw
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        a: heartbeat g member=a#1 gen=2
        a: commit g member=a#1 gen=2 t1/0=1
        release-hw
        a: commit g member=a#1 gen=2 t1/0=1
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=3
            a: join g member=a#1 v=3
                a <- joined generation 2 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1)
                b <- joined generation 2 as b#1, leader a#1, protocol Some("range")
            b: sync g member=b#1 gen=2
            hold-hw
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            a: commit g member=a#1 gen=2 t1/0=1
                a <- t1/0 REBALANCE_IN_PROGRESS
            release-hw
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            a: commit g member=a#1 gen=2 t1/0=1
                append offset g t1/0 v4 = 1 at 0
                a <- t1/0 NONE
        "#]],
    );
}

#[test]
fn a_leader_that_asks_twice_assigns_once() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        hold-hw
        first: sync g member=a#1 gen=1 assign=a#1:x
        second: sync g member=a#1 gen=1 assign=a#1:y
        release-hw
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            hold-hw
            first: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
            second: sync g member=a#1 gen=1 assign=a#1:y
                first <- REBALANCE_IN_PROGRESS
            release-hw
                second <- synced, protocol range, assigned "x"
        "#]],
    );
}

#[test]
fn a_delete_that_fails_leaves_the_group() {
    check(
        "
        a: commit g t1/0=1
        fail NOT_ENOUGH_REPLICAS
        a: delete g
        a: fetch g
        show
        ",
        expect![[r#"
            a: commit g t1/0=1
                append offset g t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            fail NOT_ENOUGH_REPLICAS
            a: delete g
                append tombstone of offset g t1/0
                  with tombstone of group g
                the append fails: NOT_ENOUGH_REPLICAS
                a <- g COORDINATOR_NOT_AVAILABLE
            a: fetch g
                a <- NONE t1/0=1
            show
                g: Empty generation 0 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn while_it_loads_a_shard_has_no_answers() {
    check(
        "
        loading
        a: join g v=3
        a: sync g member=a
        a: heartbeat g member=a
        a: leave g member=a
        a: commit g t1/0=5
        a: txn-commit g t1/0=5
        a: fetch g t1/0
        a: fetch g t1/0 v=1
        a: offset-delete g t1/0
        a: list
        a: describe g
        a: delete g
        a: end-txn commit
        ",
        expect![[r#"
            loading
            a: join g v=3
                a <- COORDINATOR_LOAD_IN_PROGRESS member -
            a: sync g member=a
                a <- COORDINATOR_LOAD_IN_PROGRESS
            a: heartbeat g member=a
                a <- NONE
            a: leave g member=a
                a <- COORDINATOR_LOAD_IN_PROGRESS
            a: commit g t1/0=5
                a <- t1/0 COORDINATOR_LOAD_IN_PROGRESS
            a: txn-commit g t1/0=5
                a <- t1/0 COORDINATOR_LOAD_IN_PROGRESS
            a: fetch g t1/0
                a <- COORDINATOR_LOAD_IN_PROGRESS
            a: fetch g t1/0 v=1
                a <- NONE t1/0=-1(COORDINATOR_LOAD_IN_PROGRESS)
            a: offset-delete g t1/0
                a <- COORDINATOR_LOAD_IN_PROGRESS
            a: list
                a <- COORDINATOR_LOAD_IN_PROGRESS
            a: describe g
                a <- g COORDINATOR_LOAD_IN_PROGRESS  type "" protocol "" members []
            a: delete g
                a <- g COORDINATOR_LOAD_IN_PROGRESS
            a: end-txn commit
                a <- NOT_LEADER_OR_FOLLOWER
        "#]],
    );
}

#[test]
fn who_waits_is_told_when_the_leader_resigns() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        c: commit h t1/0=1
        hold-hw
        d: commit h t1/0=2
        hold-appends
        e: commit h t1/0=3
        f: commit h t1/0=4
        g: join h v=3
        a: join k v=3
        resign
        b: commit h t1/0=2
        b: join g v=3
        restart
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=3
            a: join g member=a#1 v=3
                a <- joined generation 2 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1)
                b <- joined generation 2 as b#1, leader a#1, protocol Some("range")
            b: sync g member=b#1 gen=2
            c: commit h t1/0=1
                append offset h t1/0 v4 = 1 at 0
                c <- t1/0 NONE
            hold-hw
            d: commit h t1/0=2
                append offset h t1/0 v4 = 2 at 0
            hold-appends
            e: commit h t1/0=3
            f: commit h t1/0=4
            g: join h v=3
            a: join k v=3
            resign
                d <- t1/0 NOT_COORDINATOR
                e <- t1/0 NOT_COORDINATOR
                f <- t1/0 NOT_COORDINATOR
                g <- NOT_COORDINATOR member -
                a <- NOT_COORDINATOR member -
                b <- NOT_COORDINATOR
            b: commit h t1/0=2
                b <- t1/0 NOT_COORDINATOR
            b: join g v=3
                b <- NOT_COORDINATOR member -
            restart
            show
                g: Stable generation 1 leader a#1 members [a#1] pending 0
                h: Empty generation 0 leader none members [] pending 0
        "#]],
    );
}
