//! SyncGroup.

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
