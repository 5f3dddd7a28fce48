//! Joining: ids, protocols, sizes, errors.

use crate::check;
use expect_test::expect;

#[test]
fn a_first_member_joins_syncs_and_leaves() {
    check(
        "
        a: join g v=9
        a: join g member=a#1 v=9
        wait 3000
        a: sync g member=a#1 gen=1 assign=a#1:p0
        a: heartbeat g member=a#1 gen=1
        a: leave g member=a#1
        show
        ",
        expect![[r#"
            a: join g v=9
                a <- MEMBER_ID_REQUIRED member a#1
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: join g member=a#1 v=9
            wait 3000
              at 3000 ms
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
            a: sync g member=a#1 gen=1 assign=a#1:p0
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 3000, a#1 (t1) assigned "p0"
                a <- synced, protocol range, assigned "p0"
            a: heartbeat g member=a#1 gen=1
                a <- NONE
            a: leave g member=a#1
                append group g v3: generation 2, type "consumer", protocol None, leader none, since 3000
                a <- NONE, a#1 NONE
            show
                g: Empty generation 2 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn before_version_4_a_member_gets_its_id_with_the_answer() {
    check(
        "
        a: join g v=3
        wait 3000
        show
        ",
        expect![[r#"
            a: join g v=3
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            wait 3000
              at 3000 ms
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
            show
                g: CompletingRebalance generation 1 leader a#1 members [a#1] pending 0
        "#]],
    );
}

#[test]
fn version_0_takes_the_session_timeout_for_the_rebalance() {
    check(
        "
        a: join g v=0 session=7000 rebalance=-1
        wait 3000
        a: sync g member=a#1 gen=1 assign=a#1:x v=0 proto=null
        b: join g v=0
        wait 7000
        ",
        expect![[r#"
            a: join g v=0 session=7000 rebalance=-1
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            wait 3000
              at 3000 ms
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
            a: sync g member=a#1 gen=1 assign=a#1:x v=0 proto=null
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 3000, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=0
            wait 7000
              at 10000 ms
                b <- joined generation 2 as b#1, leader b#1, protocol Some("range"), b#1 (t1)
        "#]],
    );
}

#[test]
fn what_is_wrong_with_a_request_is_said() {
    check(
        "
        a: join  member=x
        a: join g session=5999
        a: join g session=1800001
        a: join g member=unknown
        a: join g type= proto=range
        show
        ",
        expect![[r#"
            a: join  member=x
                a <- INVALID_GROUP_ID member x
            a: join g session=5999
                a <- INVALID_SESSION_TIMEOUT member -
            a: join g session=1800001
                a <- INVALID_SESSION_TIMEOUT member -
            a: join g member=unknown
                a <- UNKNOWN_MEMBER_ID member unknown
            a: join g type= proto=range
                a <- INCONSISTENT_GROUP_PROTOCOL member -
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            show
                g: Empty generation 0 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn protocols_must_fit_together() {
    check(
        "
        a: join g v=3 proto=range:t1,roundrobin:t1
        b: join g v=3 proto=roundrobin:t2
        c: join g v=3 proto=sticky
        d: join g v=3 type=connect proto=roundrobin
        wait 9000
        ",
        expect![[r#"
            a: join g v=3 proto=range:t1,roundrobin:t1
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            b: join g v=3 proto=roundrobin:t2
            c: join g v=3 proto=sticky
                c <- INCONSISTENT_GROUP_PROTOCOL member -
            d: join g v=3 type=connect proto=roundrobin
                d <- INCONSISTENT_GROUP_PROTOCOL member -
            wait 9000
              at 6000 ms
                a <- joined generation 1 as a#1, leader a#1, protocol Some("roundrobin"), a#1 (t1), b#1 (t2)
                b <- joined generation 1 as b#1, leader a#1, protocol Some("roundrobin")
        "#]],
    );
}

#[test]
fn the_protocol_with_most_votes_wins() {
    check(
        "
        a: join g v=3 proto=x,y,z
        b: join g v=3 proto=y,x
        c: join g v=3 proto=y,x
        wait 9000
        ",
        expect![[r#"
            a: join g v=3 proto=x,y,z
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            b: join g v=3 proto=y,x
            c: join g v=3 proto=y,x
            wait 9000
              at 6000 ms
                a <- joined generation 1 as a#1, leader a#1, protocol Some("y"), a#1 (t1), b#1 (t1), c#1 (t1)
                b <- joined generation 1 as b#1, leader a#1, protocol Some("y")
                c <- joined generation 1 as c#1, leader a#1, protocol Some("y")
        "#]],
    );
}

#[test]
fn a_member_that_does_not_come_back_with_its_id_is_forgotten() {
    check(
        "
        a: join g v=9 session=6000
        show
        wait 6000
        show
        a: join g member=a#1 v=9
        ",
        expect![[r#"
            a: join g v=9 session=6000
                a <- MEMBER_ID_REQUIRED member a#1
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            show
                g: Empty generation 0 leader none members [] pending 1
            wait 6000
            show
                g: Empty generation 0 leader none members [] pending 0
            a: join g member=a#1 v=9
                a <- UNKNOWN_MEMBER_ID member a#1
        "#]],
    );
}

#[test]
fn a_pending_member_holds_up_a_rebalance_until_its_session_expires() {
    check(
        "
        a: join g v=3 session=20000
        wait 3000
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=9 session=6000
        a: join g member=a#1 v=3 session=20000
        wait 6000
        ",
        expect![[r#"
            a: join g v=3 session=20000
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            wait 3000
              at 3000 ms
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 3000, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=9 session=6000
                b <- MEMBER_ID_REQUIRED member b#1
            a: join g member=a#1 v=3 session=20000
            wait 6000
              at 9000 ms
                a <- joined generation 2 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
        "#]],
    );
}

#[test]
fn a_pending_member_cannot_be_static() {
    check(
        "
        a: join g v=9
        a: join g v=9 member=a#1 instance=i
        ",
        expect![[r#"
            a: join g v=9
                a <- MEMBER_ID_REQUIRED member a#1
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: join g v=9 member=a#1 instance=i
                a <- UNKNOWN_SERVER_ERROR member -
        "#]],
    );
}

#[test]
fn the_initial_rebalance_waits_longer_for_each_new_member() {
    check(
        "
        a: join g v=3 rebalance=7000
        wait 2000
        b: join g v=3 rebalance=7000
        wait 2000
        c: join g v=3 rebalance=7000
        wait 3000
        ",
        expect![[r#"
            a: join g v=3 rebalance=7000
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            wait 2000
            b: join g v=3 rebalance=7000
            wait 2000
            c: join g v=3 rebalance=7000
            wait 3000
              at 7000 ms
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1), b#1 (t1), c#1 (t1)
                b <- joined generation 1 as b#1, leader a#1, protocol Some("range")
                c <- joined generation 1 as c#1, leader a#1, protocol Some("range")
        "#]],
    );
}

#[test]
fn the_initial_rebalance_can_be_at_once() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
        "#]],
    );
}

#[test]
fn a_full_group_takes_nobody() {
    check(
        "
        config max-size=1 initial-delay=0
        a: join g v=3
        b: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        c: join g v=3
        ",
        expect![[r#"
            config max-size=1 initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            b: join g v=3
                b <- GROUP_MAX_SIZE_REACHED member -
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=3
                b <- GROUP_MAX_SIZE_REACHED member -
            a: join g member=a#1 v=3
                a <- joined generation 2 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
            c: join g v=3
                c <- GROUP_MAX_SIZE_REACHED member -
        "#]],
    );
}

#[test]
fn a_member_that_lost_the_answer_gets_it_again() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: join g member=a#1 v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        b: join g member=b#1 v=3
        b: sync g member=b#1 gen=2
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: join g member=a#1 v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
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
            b: join g member=b#1 v=3
                b <- joined generation 2 as b#1, leader a#1, protocol Some("range")
            b: sync g member=b#1 gen=2
                b <- synced, protocol range, assigned "y"
        "#]],
    );
}

#[test]
fn a_parked_request_is_answered_when_its_member_asks_again() {
    check(
        "
        a: join g v=9
        first: join g member=a#1 v=9
        second: join g member=a#1 v=9
        wait 6000
        ",
        expect![[r#"
            a: join g v=9
                a <- MEMBER_ID_REQUIRED member a#1
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            first: join g member=a#1 v=9
            second: join g member=a#1 v=9
                first <- REBALANCE_IN_PROGRESS member a#1
            wait 6000
              at 3000 ms
                second <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
        "#]],
    );
}

#[test]
fn a_new_member_is_not_waited_for_longer_than_five_minutes() {
    check(
        "
        config initial-delay=0
        a: join g v=3 session=1800000 rebalance=900000
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        wait 300000
        show
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3 session=1800000 rebalance=900000
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            b: join g v=3
            wait 300000
              at 300000 ms
                b <- UNKNOWN_MEMBER_ID member -
            show
                g: PreparingRebalance generation 1 leader a#1 members [a#1] pending 0
        "#]],
    );
}
