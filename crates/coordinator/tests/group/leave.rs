//! LeaveGroup.

use crate::check;
use expect_test::expect;

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
