//! Static members (KIP-345).

use crate::check;
use expect_test::expect;

#[test]
fn a_static_member_comes_back_without_a_rebalance() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i
        a: join g v=9 instance=i
        a: sync g member=i#2 gen=1 instance=i
        x: heartbeat g member=i#1 gen=1 instance=i
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            a: join g v=9 instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#2, since 0, i#2 (t1) assigned "x"
                a <- joined generation 1 as i#2, leader i#2, protocol Some("range"), skips the assignment, i#2/i (t1)
            a: sync g member=i#2 gen=1 instance=i
                a <- synced, protocol range, assigned "x"
            x: heartbeat g member=i#1 gen=1 instance=i
                x <- FENCED_INSTANCE_ID
            show
                g: Stable generation 1 leader i#2 members [i#2] pending 0
        "#]],
    );
}

#[test]
fn before_version_9_a_returning_leader_takes_itself_for_a_follower() {
    check(
        "
        config initial-delay=0
        a: join g v=8 instance=i
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i
        a: join g v=8 instance=i
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=8 instance=i
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            a: join g v=8 instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#2, since 0, i#2 (t1) assigned "x"
                a <- joined generation 1 as i#2, leader i#1, protocol Some("range")
            show
                g: Stable generation 1 leader i#2 members [i#2] pending 0
        "#]],
    );
}

#[test]
fn a_returning_follower_does_not_skip_an_assignment() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i
        b: join g v=9 instance=j
        a: join g v=9 instance=i member=i#1
        b: sync g member=j#1 gen=2 instance=j
        a: sync g member=i#1 gen=2 assign=i#1:x,j#1:y instance=i
        b: join g v=9 instance=j
        b: sync g member=j#2 gen=2 instance=j
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=9 instance=j
            a: join g v=9 instance=i member=i#1
                a <- joined generation 2 as i#1, leader i#1, protocol Some("range"), i#1/i (t1), j#1/j (t1)
                b <- joined generation 2 as j#1, leader i#1, protocol Some("range")
            b: sync g member=j#1 gen=2 instance=j
            a: sync g member=i#1 gen=2 assign=i#1:x,j#1:y instance=i
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x", j#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            b: join g v=9 instance=j
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x", j#2 (t1) assigned "y"
                b <- joined generation 2 as j#2, leader i#1, protocol Some("range")
            b: sync g member=j#2 gen=2 instance=j
                b <- synced, protocol range, assigned "y"
        "#]],
    );
}

#[test]
fn a_returning_member_with_other_protocols_rebalances() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i proto=x,y
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i proto=x
        a: join g v=9 instance=i proto=y,x
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i proto=x,y
                a <- joined generation 1 as i#1, leader i#1, protocol Some("x"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i proto=x
                append group g v3: generation 1, type "consumer", protocol Some("x"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol x, assigned "x"
            a: join g v=9 instance=i proto=y,x
                a <- joined generation 2 as i#2, leader i#2, protocol Some("y"), i#2/i (t1)
        "#]],
    );
}

#[test]
fn a_member_that_returns_before_the_assignment_rebalances() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i
        a: join g v=9 instance=i
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: join g v=9 instance=i
                a <- joined generation 2 as i#2, leader i#2, protocol Some("range"), i#2/i (t1)
            show
                g: CompletingRebalance generation 2 leader i#2 members [i#2] pending 0
        "#]],
    );
}

#[test]
fn the_old_instance_is_fenced() {
    check(
        "
        a: join g v=9 instance=i
        b: join g v=9 instance=i
        wait 3000
        x: join g v=9 instance=i member=zzz
        x: join g v=9 instance=k member=zzz
        x: sync g member=zzz gen=1 instance=i
        x: heartbeat g member=zzz gen=1 instance=i
        x: leave g member=zzz/i
        x: commit g member=zzz instance=i gen=1 t1/0=5
        ",
        expect![[r#"
            a: join g v=9 instance=i
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            b: join g v=9 instance=i
                a <- FENCED_INSTANCE_ID member i#1
            wait 3000
              at 3000 ms
                b <- joined generation 1 as i#2, leader i#2, protocol Some("range"), i#2/i (t1)
            x: join g v=9 instance=i member=zzz
                x <- FENCED_INSTANCE_ID member zzz
            x: join g v=9 instance=k member=zzz
                x <- UNKNOWN_MEMBER_ID member zzz
            x: sync g member=zzz gen=1 instance=i
                x <- FENCED_INSTANCE_ID
            x: heartbeat g member=zzz gen=1 instance=i
                x <- FENCED_INSTANCE_ID
            x: leave g member=zzz/i
                x <- NONE, zzz/i FENCED_INSTANCE_ID
            x: commit g member=zzz instance=i gen=1 t1/0=5
                x <- t1/0 FENCED_INSTANCE_ID
        "#]],
    );
}

#[test]
fn a_parked_sync_of_the_old_instance_is_fenced() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i
        b: join g v=9 instance=j
        a: join g v=9 instance=i member=i#1
        b: sync g member=j#1 gen=2 instance=j
        c: join g v=9 instance=j
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=9 instance=j
            a: join g v=9 instance=i member=i#1
                a <- joined generation 2 as i#1, leader i#1, protocol Some("range"), i#1/i (t1), j#1/j (t1)
                b <- joined generation 2 as j#1, leader i#1, protocol Some("range")
            b: sync g member=j#1 gen=2 instance=j
            c: join g v=9 instance=j
                b <- FENCED_INSTANCE_ID
        "#]],
    );
}

#[test]
fn a_static_member_is_not_out_when_it_does_not_rejoin() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i session=100000
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i
        b: join g v=9 instance=j session=100000
        wait 30000
        b: sync g member=j#1 gen=2 instance=j assign=j#1:y
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i session=100000
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=9 instance=j session=100000
            wait 30000
              at 30000 ms
                b <- joined generation 2 as j#1, leader j#1, protocol Some("range"), i#1/i (t1), j#1/j (t1)
            b: sync g member=j#1 gen=2 instance=j assign=j#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader j#1, since 30000, i#1 (t1) assigned "", j#1 (t1) assigned "y"
                b <- synced, protocol range, assigned "y"
            show
                g: Stable generation 2 leader j#1 members [i#1, j#1] pending 0
        "#]],
    );
}

#[test]
fn without_anybody_rejoining_static_members_are_waited_for() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i session=100000
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i
        b: join g v=9 instance=j session=100000
        a: join g v=9 instance=i member=i#1 session=100000
        b: leave g member=/j
        wait 30000
        show
        wait 70000
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i session=100000
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=9 instance=j session=100000
            a: join g v=9 instance=i member=i#1 session=100000
                a <- joined generation 2 as i#1, leader i#1, protocol Some("range"), i#1/i (t1), j#1/j (t1)
                b <- joined generation 2 as j#1, leader i#1, protocol Some("range")
            b: leave g member=/j
                b <- NONE, -/j NONE
            wait 30000
            show
                g: PreparingRebalance generation 2 leader i#1 members [i#1] pending 0
            wait 70000
              at 100000 ms
                append group g v3: generation 3, type "consumer", protocol None, leader none, since 100000
        "#]],
    );
}

#[test]
fn an_administrator_removes_a_static_member() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i
        x: leave g member=/nobody
        x: leave g member=/i
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            x: leave g member=/nobody
                x <- NONE, -/nobody UNKNOWN_MEMBER_ID
            x: leave g member=/i
                append group g v3: generation 2, type "consumer", protocol None, leader none, since 0
                x <- NONE, -/i NONE
            show
                g: Empty generation 2 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn the_new_id_of_a_static_member_is_given_up_when_it_cannot_be_stored() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i
        fail NOT_ENOUGH_REPLICAS
        a: join g v=9 instance=i session=7000 proto=range:t2
        a: heartbeat g member=i#1 gen=1 instance=i
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            fail NOT_ENOUGH_REPLICAS
            a: join g v=9 instance=i session=7000 proto=range:t2
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#2, since 0, i#2 (t2) assigned "x"
                the append fails: NOT_ENOUGH_REPLICAS
                a <- COORDINATOR_NOT_AVAILABLE member -
            a: heartbeat g member=i#1 gen=1 instance=i
                a <- NONE
            show
                g: Stable generation 1 leader i#1 members [i#1] pending 0
        "#]],
    );
}

#[test]
fn a_rebalance_takes_a_returning_member_along() {
    check(
        "
        config initial-delay=0
        a: join g v=9 instance=i
        a: sync g member=i#1 gen=1 assign=i#1:x instance=i
        hold-hw
        a: join g v=9 instance=i
        b: join g v=3
        release-hw
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=9 instance=i
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=i#1 gen=1 assign=i#1:x instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            hold-hw
            a: join g v=9 instance=i
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#2, since 0, i#2 (t1) assigned "x"
            b: join g v=3
                b <- joined generation 2 as b#1, leader i#2, protocol Some("range")
                a <- joined generation 2 as i#2, leader i#2, protocol Some("range"), b#1 (t1), i#2/i (t1)
            release-hw
            show
                g: CompletingRebalance generation 2 leader i#2 members [b#1, i#2] pending 0
        "#]],
    );
}
