//! Heartbeats, and what makes a group rebalance.

use crate::check;
use expect_test::expect;

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
