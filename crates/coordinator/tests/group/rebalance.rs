//! SyncGroup, Heartbeat, LeaveGroup, and what timers do in a rebalance.

use crate::check;
use expect_test::expect;

#[test]
fn a_follower_waits_for_the_leaders_assignment() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        wait 1000
        a: sync g member=a#1 gen=2 assign=a#1:x
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
            wait 1000
            a: sync g member=a#1 gen=2 assign=a#1:x
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned ""
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned ""
        "#]],
    );
}

#[test]
fn a_sync_request_is_checked() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        x: sync  member=a#1
        x: sync nothing member=a#1
        x: sync g member=zzz gen=2
        x: sync g member=a#1 gen=1
        x: sync g member=a#1 gen=2 type=connect
        x: sync g member=a#1 gen=2 proto=sticky
        x: sync g member=a#1 gen=2 proto=null v=5
        x: sync g member=a#1 gen=2 instance=i
        c: join g v=3
        x: sync g member=a#1 gen=2
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
            x: sync  member=a#1
                x <- INVALID_GROUP_ID
            x: sync nothing member=a#1
                x <- UNKNOWN_MEMBER_ID
            x: sync g member=zzz gen=2
                x <- UNKNOWN_MEMBER_ID
            x: sync g member=a#1 gen=1
                x <- ILLEGAL_GENERATION
            x: sync g member=a#1 gen=2 type=connect
                x <- INCONSISTENT_GROUP_PROTOCOL
            x: sync g member=a#1 gen=2 proto=sticky
                x <- INCONSISTENT_GROUP_PROTOCOL
            x: sync g member=a#1 gen=2 proto=null v=5
                x <- INCONSISTENT_GROUP_PROTOCOL
            x: sync g member=a#1 gen=2 instance=i
                x <- UNKNOWN_MEMBER_ID
            c: join g v=3
            x: sync g member=a#1 gen=2
                x <- REBALANCE_IN_PROGRESS
        "#]],
    );
}

#[test]
fn a_sync_request_to_an_empty_group_is_unknown() {
    check(
        "
        a: commit g t1/0=5
        a: sync g member=a gen=0 proto=null v=3
        ",
        expect![[r#"
            a: commit g t1/0=5
                append offset g t1/0 v4 = 5 at 0
                a <- t1/0 NONE
            a: sync g member=a gen=0 proto=null v=3
                a <- UNKNOWN_MEMBER_ID
        "#]],
    );
}

#[test]
fn a_parked_sync_is_answered_when_its_member_asks_again() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        first: sync g member=b#1 gen=2
        second: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=b#1:y
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
            first: sync g member=b#1 gen=2
            second: sync g member=b#1 gen=2
                first <- REBALANCE_IN_PROGRESS
            a: sync g member=a#1 gen=2 assign=b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned ""
                second <- synced, protocol range, assigned "y"
        "#]],
    );
}

#[test]
fn a_new_member_interrupts_those_who_wait_for_their_assignment() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        c: join g v=3
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
            c: join g v=3
                b <- REBALANCE_IN_PROGRESS
            a: join g member=a#1 v=3
            b: join g member=b#1 v=3
                a <- joined generation 3 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1), c#1 (t1)
                b <- joined generation 3 as b#1, leader a#1, protocol Some("range")
                c <- joined generation 3 as c#1, leader a#1, protocol Some("range")
        "#]],
    );
}

#[test]
fn members_that_do_not_sync_in_time_are_out() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        wait 9000
        a: heartbeat g member=a#1 gen=2
        wait 9000
        a: heartbeat g member=a#1 gen=2
        wait 9000
        a: heartbeat g member=a#1 gen=2
        wait 9000
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
            wait 9000
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            wait 9000
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            wait 9000
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            wait 9000
              at 30000 ms
                b <- REBALANCE_IN_PROGRESS
            show
                g: PreparingRebalance generation 2 leader b#1 members [b#1] pending 0
        "#]],
    );
}

#[test]
fn a_follower_that_does_not_sync_in_time_is_out_of_a_stable_group() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        a: sync g member=a#1 gen=2 assign=a#1:x
        a: heartbeat g member=a#1 gen=2
        b: heartbeat g member=b#1 gen=2
        wait 9999
        a: heartbeat g member=a#1 gen=2
        b: heartbeat g member=b#1 gen=2
        wait 9999
        a: heartbeat g member=a#1 gen=2
        b: heartbeat g member=b#1 gen=2
        wait 9999
        a: heartbeat g member=a#1 gen=2
        b: heartbeat g member=b#1 gen=2
        wait 10
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
            a: sync g member=a#1 gen=2 assign=a#1:x
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned ""
                a <- synced, protocol range, assigned "x"
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            b: heartbeat g member=b#1 gen=2
                b <- NONE
            wait 9999
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            b: heartbeat g member=b#1 gen=2
                b <- NONE
            wait 9999
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            b: heartbeat g member=b#1 gen=2
                b <- NONE
            wait 9999
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            b: heartbeat g member=b#1 gen=2
                b <- NONE
            wait 10
            show
                g: PreparingRebalance generation 2 leader a#1 members [a#1] pending 0
        "#]],
    );
}

#[test]
fn a_heartbeat_is_checked_and_keeps_the_session() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        x: heartbeat
        x: heartbeat nothing member=a#1
        x: heartbeat g member=zzz
        x: heartbeat g member=a#1 gen=2
        x: heartbeat g member=a#1 gen=1 instance=i
        wait 9999
        a: heartbeat g member=a#1 gen=1
        wait 9999
        a: heartbeat g member=a#1 gen=1
        wait 10000
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            x: heartbeat
                x <- INVALID_GROUP_ID
            x: heartbeat nothing member=a#1
                x <- UNKNOWN_MEMBER_ID
            x: heartbeat g member=zzz
                x <- UNKNOWN_MEMBER_ID
            x: heartbeat g member=a#1 gen=2
                x <- ILLEGAL_GENERATION
            x: heartbeat g member=a#1 gen=1 instance=i
                x <- UNKNOWN_MEMBER_ID
            wait 9999
            a: heartbeat g member=a#1 gen=1
                a <- NONE
            wait 9999
            a: heartbeat g member=a#1 gen=1
                a <- NONE
            wait 10000
              at 29998 ms
                append group g v3: generation 2, type "consumer", protocol None, leader none, since 29998
        "#]],
    );
}

#[test]
fn a_heartbeat_tells_of_a_rebalance() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: heartbeat g member=a#1 gen=1
        wait 10000
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
            a: heartbeat g member=a#1 gen=1
                a <- REBALANCE_IN_PROGRESS
            wait 10000
              at 10000 ms
                b <- joined generation 2 as b#1, leader b#1, protocol Some("range"), b#1 (t1)
        "#]],
    );
}

#[test]
fn a_heartbeat_is_fine_before_the_assignment() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        a: heartbeat g member=a#1 gen=2
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
            a: heartbeat g member=a#1 gen=2
                a <- NONE
        "#]],
    );
}

#[test]
fn a_member_that_does_not_rejoin_is_out_and_a_new_leader_is_elected() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        c: join g v=3
        b: join g member=b#1 v=3
        wait 9000
        a: heartbeat g member=a#1 gen=2
        wait 9000
        a: heartbeat g member=a#1 gen=2
        wait 9000
        a: heartbeat g member=a#1 gen=2
        wait 9000
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
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            c: join g v=3
            b: join g member=b#1 v=3
            wait 9000
            a: heartbeat g member=a#1 gen=2
                a <- REBALANCE_IN_PROGRESS
            wait 9000
            a: heartbeat g member=a#1 gen=2
                a <- REBALANCE_IN_PROGRESS
            wait 9000
            a: heartbeat g member=a#1 gen=2
                a <- REBALANCE_IN_PROGRESS
            wait 9000
              at 30000 ms
                b <- joined generation 3 as b#1, leader b#1, protocol Some("range"), b#1 (t1), c#1 (t1)
                c <- joined generation 3 as c#1, leader b#1, protocol Some("range")
        "#]],
    );
}

#[test]
fn an_expired_member_of_two_makes_the_other_rejoin() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        wait 6000
        a: heartbeat g member=a#1 gen=2
        wait 4000
        a: heartbeat g member=a#1 gen=2
        a: join g member=a#1 v=3
        a: sync g member=a#1 gen=3 assign=a#1:x
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
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            wait 6000
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            wait 4000
            a: heartbeat g member=a#1 gen=2
                a <- REBALANCE_IN_PROGRESS
            a: join g member=a#1 v=3
                a <- joined generation 3 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
            a: sync g member=a#1 gen=3 assign=a#1:x
                append group g v3: generation 3, type "consumer", protocol Some("range"), leader a#1, since 10000, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
        "#]],
    );
}

#[test]
fn a_changed_subscription_rebalances() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        b: join g member=b#1 proto=range:t9 v=3
        a: join g member=a#1 v=3
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
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            b: join g member=b#1 proto=range:t9 v=3
            a: join g member=a#1 v=3
                a <- joined generation 3 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t9)
                b <- joined generation 3 as b#1, leader a#1, protocol Some("range")
        "#]],
    );
}

#[test]
fn a_leader_that_rejoins_rebalances() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
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
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            a: join g member=a#1 v=3
            b: join g member=b#1 v=3
                a <- joined generation 3 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1)
                b <- joined generation 3 as b#1, leader a#1, protocol Some("range")
        "#]],
    );
}

#[test]
fn a_member_that_leaves_makes_the_others_rejoin() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        b: leave g member=b#1
        a: heartbeat g member=a#1 gen=2
        a: join g member=a#1 v=3
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
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            b: leave g member=b#1
                b <- NONE, b#1 NONE
            a: heartbeat g member=a#1 gen=2
                a <- REBALANCE_IN_PROGRESS
            a: join g member=a#1 v=3
                a <- joined generation 3 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
        "#]],
    );
}

#[test]
fn a_member_that_leaves_in_a_rebalance_is_not_waited_for() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        c: join g v=3
        a: join g member=a#1 v=3
        b: leave g member=b#1
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
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            c: join g v=3
            a: join g member=a#1 v=3
            b: leave g member=b#1
                a <- joined generation 3 as a#1, leader a#1, protocol Some("range"), a#1 (t1), c#1 (t1)
                c <- joined generation 3 as c#1, leader a#1, protocol Some("range")
                b <- NONE, b#1 NONE
        "#]],
    );
}

#[test]
fn a_member_whose_join_is_parked_can_leave() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        c: join g v=9
        c: join g member=c#1 v=9
        d: leave g member=c#1
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
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            c: join g v=9
                c <- MEMBER_ID_REQUIRED member c#1
            c: join g member=c#1 v=9
            d: leave g member=c#1
                c <- UNKNOWN_MEMBER_ID member -
                d <- NONE, c#1 NONE
        "#]],
    );
}

#[test]
fn a_pending_member_can_leave() {
    check(
        "
        a: join g v=9
        a: leave g member=a#1
        show
        ",
        expect![[r#"
            a: join g v=9
                a <- MEMBER_ID_REQUIRED member a#1
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: leave g member=a#1
                a <- NONE, a#1 NONE
            show
                g: Empty generation 0 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn a_leave_request_is_checked() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        x: leave
        x: leave nothing member=a#1,b
        x: leave nothing member=a#1 v=2
        x: leave g member=zzz,a#1/i
        x: leave g member=/i
        x: leave g member=zzz v=1
        a: leave g member=a#1 v=1
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
            x: leave
                x <- INVALID_GROUP_ID
            x: leave nothing member=a#1,b
                x <- NONE, a#1 UNKNOWN_MEMBER_ID, b UNKNOWN_MEMBER_ID
            x: leave nothing member=a#1 v=2
                x <- UNKNOWN_MEMBER_ID
            x: leave g member=zzz,a#1/i
                x <- NONE, zzz UNKNOWN_MEMBER_ID, a#1/i UNKNOWN_MEMBER_ID
            x: leave g member=/i
                x <- NONE, -/i UNKNOWN_MEMBER_ID
            x: leave g member=zzz v=1
                x <- UNKNOWN_MEMBER_ID
            a: leave g member=a#1 v=1
                append group g v3: generation 2, type "consumer", protocol None, leader none, since 0
                a <- NONE
            show
                g: Empty generation 2 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn a_group_that_shrank_below_its_limit_on_a_restart_lets_the_first_in() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        config max-size=1
        show
        a: join g member=a#1 v=3
        b: join g member=b#1 v=3
        wait 30000
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
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            config max-size=1
            show
                g: PreparingRebalance generation 2 leader a#1 members [a#1, b#1] pending 0
            a: join g member=a#1 v=3
            b: join g member=b#1 v=3
                b <- GROUP_MAX_SIZE_REACHED member -
            wait 30000
              at 30000 ms
                a <- joined generation 3 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
            show
                g: CompletingRebalance generation 3 leader a#1 members [a#1] pending 0
        "#]],
    );
}

#[test]
fn sessions_begin_anew_after_a_restart() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        wait 9000
        restart
        wait 9000
        a: heartbeat g member=a#1 gen=2
        wait 1000
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
            a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
                append group g v3: generation 2, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x", b#1 (t1) assigned "y"
                a <- synced, protocol range, assigned "x"
                b <- synced, protocol range, assigned "y"
            wait 9000
            restart
            wait 9000
            a: heartbeat g member=a#1 gen=2
                a <- NONE
            wait 1000
        "#]],
    );
}
