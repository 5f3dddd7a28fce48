//! OffsetCommit, OffsetFetch and OffsetDelete.

use crate::check;
use expect_test::expect;

#[test]
fn a_simple_consumer_needs_no_members() {
    check(
        "
        a: commit g t1/0=5 t1/1=6 meta=hello leader-epoch=4 id=7
        a: commit g t1/0=8 id=7
        a: fetch g
        a: fetch g t1/1 t1/2 t2/0
        show
        ",
        expect![[r#"
            a: commit g t1/0=5 t1/1=6 meta=hello leader-epoch=4 id=7
                append offset g t1/0 v4 = 5 leader epoch 4 "hello" at 0
                  with offset g t1/1 v4 = 6 leader epoch 4 "hello" at 0
                a <- t1/0 NONE, t1/1 NONE
            a: commit g t1/0=8 id=7
                append offset g t1/0 v4 = 8 at 0
                a <- t1/0 NONE
            a: fetch g
                a <- NONE t1/0=8 t1/1=6@4Some("hello")
            a: fetch g t1/1 t1/2 t2/0
                a <- NONE t1/1=6@4Some("hello") t1/2=-1 t2/0=-1
            show
                g: Empty generation 0 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn a_group_that_is_not_there_has_no_offsets() {
    check(
        "
        a: fetch g
        a: fetch g t1/0
        ",
        expect![[r#"
            a: fetch g
                a <- NONE
            a: fetch g t1/0
                a <- NONE t1/0=-1
        "#]],
    );
}

#[test]
fn an_empty_group_id_is_allowed_for_offsets() {
    check(
        "
        a: commit  t1/0=5
        a: fetch
        ",
        expect![[r#"
            a: commit  t1/0=5
                append offset  t1/0 v4 = 5 at 0
                a <- t1/0 NONE
            a: fetch
                a <- NONE t1/0=5
        "#]],
    );
}

#[test]
fn members_commit_with_their_generation() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        a: commit g member=a#1 gen=1 t1/0=5
        x: commit g member=a#1 gen=0 t1/0=6
        x: commit g member=zzz gen=1 t1/0=6
        x: commit g member=a#1 gen=1 instance=i t1/0=6
        x: commit g t1/0=6
        x: commit nothing member=a gen=1 t1/0=6 v=8
        x: commit nothing member=a gen=1 t1/0=6 v=9
        a: fetch g
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            a: commit g member=a#1 gen=1 t1/0=5
                append offset g t1/0 v4 = 5 at 0
                a <- t1/0 NONE
            x: commit g member=a#1 gen=0 t1/0=6
                x <- t1/0 ILLEGAL_GENERATION
            x: commit g member=zzz gen=1 t1/0=6
                x <- t1/0 UNKNOWN_MEMBER_ID
            x: commit g member=a#1 gen=1 instance=i t1/0=6
                x <- t1/0 UNKNOWN_MEMBER_ID
            x: commit g t1/0=6
                x <- t1/0 UNKNOWN_MEMBER_ID
            x: commit nothing member=a gen=1 t1/0=6 v=8
                x <- t1/0 ILLEGAL_GENERATION
            x: commit nothing member=a gen=1 t1/0=6 v=9
                x <- t1/0 GROUP_ID_NOT_FOUND
            a: fetch g
                a <- NONE t1/0=5
        "#]],
    );
}

#[test]
fn nobody_commits_before_the_assignment() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        a: commit g member=a#1 gen=2 t1/0=5
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
            a: commit g member=a#1 gen=2 t1/0=5
                a <- t1/0 REBALANCE_IN_PROGRESS
        "#]],
    );
}

#[test]
fn a_commit_keeps_the_session() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        wait 9000
        a: commit g member=a#1 gen=1 t1/0=5
        wait 9000
        a: heartbeat g member=a#1 gen=1
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            wait 9000
            a: commit g member=a#1 gen=1 t1/0=5
                append offset g t1/0 v4 = 5 at 9000
                a <- t1/0 NONE
            wait 9000
            a: heartbeat g member=a#1 gen=1
                a <- NONE
        "#]],
    );
}

#[test]
fn a_member_commits_while_the_group_prepares_to_rebalance() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: commit g member=a#1 gen=1 t1/0=5
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
            a: commit g member=a#1 gen=1 t1/0=5
                append offset g t1/0 v4 = 5 at 0
                a <- t1/0 NONE
        "#]],
    );
}

#[test]
fn metadata_must_not_be_too_large() {
    check(
        "
        config metadata-max=4
        a: commit g t1/0=5 meta=12345
        show
        a: commit g t1/0=5 meta=äöüß
        a: fetch g
        ",
        expect![[r#"
            config metadata-max=4
            a: commit g t1/0=5 meta=12345
                a <- t1/0 OFFSET_METADATA_TOO_LARGE
            show
            a: commit g t1/0=5 meta=äöüß
                append offset g t1/0 v4 = 5 "äöüß" at 0
                a <- t1/0 NONE
            a: fetch g
                a <- NONE t1/0=5Some("äöüß")
        "#]],
    );
}

#[test]
fn a_client_may_choose_its_retention() {
    check(
        "
        config retention=1000000 check-interval=1000
        a: commit g t1/0=5 retention=2500 leader-epoch=3 v=4
        wait 4000
        show
        ",
        expect![[r#"
            config retention=1000000 check-interval=1000
            a: commit g t1/0=5 retention=2500 leader-epoch=3 v=4
                append offset g t1/0 v1 = 5 expires 2500 at 0
                a <- t1/0 NONE
            wait 4000
              at 3000 ms
                append tombstone of offset g t1/0
                  with tombstone of group g
            show
        "#]],
    );
}

#[test]
fn an_offset_of_a_topic_with_another_id_is_not_this_topics() {
    check(
        "
        a: commit g t1/0=5 id=7
        a: fetch g t1/0 id=7
        a: fetch g t1/0 id=8
        a: fetch g t1/0
        ",
        expect![[r#"
            a: commit g t1/0=5 id=7
                append offset g t1/0 v4 = 5 at 0
                a <- t1/0 NONE
            a: fetch g t1/0 id=7
                a <- NONE t1/0=5
            a: fetch g t1/0 id=8
                a <- NONE t1/0=-1
            a: fetch g t1/0
                a <- NONE t1/0=5
        "#]],
    );
}

#[test]
fn an_uncommitted_offset_is_seen_by_nobody() {
    check(
        "
        a: commit g t1/0=5
        hold-hw
        b: commit g t1/0=6 t2/0=1
        c: fetch g
        d: fetch g stable=yes
        e: commit h t1/0=1
        f: fetch h
        list: list
        release-hw
        g: fetch g
        ",
        expect![[r#"
            a: commit g t1/0=5
                append offset g t1/0 v4 = 5 at 0
                a <- t1/0 NONE
            hold-hw
            b: commit g t1/0=6 t2/0=1
                append offset g t1/0 v4 = 6 at 0
                  with offset g t2/0 v4 = 1 at 0
            c: fetch g
                c <- NONE t1/0=5
            d: fetch g stable=yes
            e: commit h t1/0=1
                append offset h t1/0 v4 = 1 at 0
            f: fetch h
                f <- NONE
            list: list
                list <- NONE g(classic Empty "")
            release-hw
                b <- t1/0 NONE, t2/0 NONE
                d <- NONE t1/0=6 t2/0=1
                e <- t1/0 NONE
            g: fetch g
                g <- NONE t1/0=6 t2/0=1
        "#]],
    );
}

#[test]
fn a_write_that_takes_too_long_is_answered_and_may_still_succeed() {
    check(
        "
        hold-hw
        a: commit g t1/0=5
        b: fetch g stable=yes
        wait 6000
        release-hw
        a: fetch g
        ",
        expect![[r#"
            hold-hw
            a: commit g t1/0=5
                append offset g t1/0 v4 = 5 at 0
            b: fetch g stable=yes
            wait 6000
              at 5000 ms
                a <- t1/0 COORDINATOR_NOT_AVAILABLE
                b <- NOT_COORDINATOR
            release-hw
            a: fetch g
                a <- NONE t1/0=5
        "#]],
    );
}

#[test]
fn offsets_are_deleted() {
    check(
        "
        a: commit g t1/0=5 t1/1=6
        x: offset-delete nothing t1/0
        x: offset-delete
        a: offset-delete g t1/0 t1/7
        a: fetch g
        a: offset-delete g t1/1
        show
        ",
        expect![[r#"
            a: commit g t1/0=5 t1/1=6
                append offset g t1/0 v4 = 5 at 0
                  with offset g t1/1 v4 = 6 at 0
                a <- t1/0 NONE, t1/1 NONE
            x: offset-delete nothing t1/0
                x <- GROUP_ID_NOT_FOUND
            x: offset-delete
                x <- INVALID_GROUP_ID
            a: offset-delete g t1/0 t1/7
                append tombstone of offset g t1/0
                a <- NONE t1/0 NONE t1/7 NONE
            a: fetch g
                a <- NONE t1/1=6
            a: offset-delete g t1/1
                append tombstone of offset g t1/1
                a <- NONE t1/1 NONE
            show
                g: Empty generation 0 leader none members [] pending 0
        "#]],
    );
}

#[test]
fn of_a_topic_that_a_consumer_reads_no_offset_is_deleted() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        a: commit g member=a#1 gen=1 t1/0=5 t2/0=6
        a: offset-delete g t1/0 t2/0
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            a: commit g member=a#1 gen=1 t1/0=5 t2/0=6
                append offset g t1/0 v4 = 5 at 0
                  with offset g t2/0 v4 = 6 at 0
                a <- t1/0 NONE, t2/0 NONE
            a: offset-delete g t1/0 t2/0
                append tombstone of offset g t2/0
                a <- NONE t1/0 GROUP_SUBSCRIBED_TO_TOPIC t2/0 NONE
        "#]],
    );
}

#[test]
fn of_a_group_with_members_of_another_kind_no_offset_is_deleted() {
    check(
        "
        config initial-delay=0
        a: join g v=3 type=connect
        a: offset-delete g t1/0
        a: leave g member=a#1
        a: offset-delete g t1/0
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3 type=connect
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 "t1"
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: offset-delete g t1/0
                a <- NON_EMPTY_GROUP
            a: leave g member=a#1
                append group g v3: generation 2, type "connect", protocol None, leader none, since 0
                a <- NONE, a#1 NONE
            a: offset-delete g t1/0
                a <- NONE t1/0 NONE
        "#]],
    );
}
