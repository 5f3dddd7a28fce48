//! ListGroups, DescribeGroups, DeleteGroups, and offsets that expire.

use crate::check;
use expect_test::expect;

#[test]
fn groups_are_listed_by_state_and_type() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        b: join g v=3
        a: join g member=a#1 v=3
        b: sync g member=b#1 gen=2
        a: sync g member=a#1 gen=2 assign=a#1:x,b#1:y
        a: commit simple t1/0=1
        x: list
        x: list states=stable
        x: list states=EMPTY,Dead
        x: list types=Classic
        x: list types=consumer
        x: list types=nonsense
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
            a: commit simple t1/0=1
                append offset simple t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            x: list
                x <- NONE g(classic Stable "consumer") simple(classic Empty "")
            x: list states=stable
                x <- NONE g(classic Stable "consumer")
            x: list states=EMPTY,Dead
                x <- NONE simple(classic Empty "")
            x: list types=Classic
                x <- NONE g(classic Stable "consumer") simple(classic Empty "")
            x: list types=consumer
                x <- NONE
            x: list types=nonsense
                x <- NONE
        "#]],
    );
}

#[test]
fn a_group_in_every_state_is_described() {
    check(
        "
        a: commit simple t1/0=1
        x: describe simple,nothing v=5
        x: describe simple,nothing v=6
        config initial-delay=0
        a: join g v=3 instance=i
        x: describe g
        a: sync g member=i#1 gen=1 instance=i assign=i#1:p0
        x: describe g
        b: join g v=3
        x: describe g
        ",
        expect![[r#"
            a: commit simple t1/0=1
                append offset simple t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            x: describe simple,nothing v=5
                x <- simple NONE Empty type "" protocol "" members []
                     nothing NONE Dead type "" protocol "" members []
            x: describe simple,nothing v=6
                x <- simple NONE Empty type "" protocol "" members []
                     nothing GROUP_ID_NOT_FOUND (Group nothing not found.) Dead type "" protocol "" members []
            config initial-delay=0
            a: join g v=3 instance=i
                a <- joined generation 1 as i#1, leader i#1, protocol Some("range"), i#1/i (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            x: describe g
                x <- g NONE CompletingRebalance type "consumer" protocol "" members [i#1 instance i client a at /127.0.0.1 subscribed "" assigned ""]
            a: sync g member=i#1 gen=1 instance=i assign=i#1:p0
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader i#1, since 0, i#1 (t1) assigned "p0"
                a <- synced, protocol range, assigned "p0"
            x: describe g
                x <- g NONE Stable type "consumer" protocol "range" members [i#1 instance i client a at /127.0.0.1 subscribed (t1) assigned "p0"]
            b: join g v=3
            x: describe g
                x <- g NONE PreparingRebalance type "consumer" protocol "" members [b#1 instance - client b at /127.0.0.1 subscribed "" assigned ""; i#1 instance i client a at /127.0.0.1 subscribed "" assigned "p0"]
        "#]],
    );
}

#[test]
fn a_group_that_is_being_made_is_not_there_yet() {
    check(
        "
        hold-hw
        a: join g v=9
        x: describe g v=6
        x: list
        release-hw
        x: list
        ",
        expect![[r#"
            hold-hw
            a: join g v=9
                a <- MEMBER_ID_REQUIRED member a#1
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            x: describe g v=6
                x <- g GROUP_ID_NOT_FOUND (Group g not found.) Dead type "" protocol "" members []
            x: list
                x <- NONE
            release-hw
            x: list
                x <- NONE g(classic Empty "")
        "#]],
    );
}

#[test]
fn an_empty_group_is_deleted_with_its_offsets() {
    check(
        "
        a: commit g t1/0=1 t2/0=2
        a: txn-commit g pid=1 t2/0=3 t3/0=4
        a: delete g,nothing
        show
        a: end-txn commit pid=1
        show
        restart
        a: fetch g
        ",
        expect![[r#"
            a: commit g t1/0=1 t2/0=2
                append offset g t1/0 v4 = 1 at 0
                  with offset g t2/0 v4 = 2 at 0
                a <- t1/0 NONE, t2/0 NONE
            a: txn-commit g pid=1 t2/0=3 t3/0=4
                in the transaction of producer 1, epoch 0:
                append offset g t2/0 v4 = 3 at 0
                  with offset g t3/0 v4 = 4 at 0
                a <- t2/0 NONE, t3/0 NONE
            a: delete g,nothing
                append tombstone of offset g t1/0
                  with tombstone of offset g t2/0
                  with tombstone of offset g t3/0
                  with tombstone of group g
                a <- g NONE, nothing GROUP_ID_NOT_FOUND
            show
            a: end-txn commit pid=1
                append COMMIT of producer 1, coordinator epoch 3
                a <- NONE
            show
            restart
            a: fetch g
                a <- NONE
        "#]],
    );
}

#[test]
fn a_group_with_members_is_not_deleted() {
    check(
        "
        config initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        x: delete g
        a: leave g member=a#1
        x: delete g
        x: describe g v=6
        ",
        expect![[r#"
            config initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            x: delete g
                x <- g NON_EMPTY_GROUP
            a: leave g member=a#1
                append group g v3: generation 2, type "consumer", protocol None, leader none, since 0
                a <- NONE, a#1 NONE
            x: delete g
                append tombstone of group g
                x <- g NONE
            x: describe g v=6
                x <- g GROUP_ID_NOT_FOUND (Group g not found.) Dead type "" protocol "" members []
        "#]],
    );
}

#[test]
fn a_group_that_is_being_deleted_is_still_there() {
    check(
        "
        a: commit g t1/0=1
        hold-hw
        a: delete g
        x: list
        x: fetch g
        x: delete g
        release-hw
        x: list
        ",
        expect![[r#"
            a: commit g t1/0=1
                append offset g t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            hold-hw
            a: delete g
                append tombstone of offset g t1/0
                  with tombstone of group g
            x: list
                x <- NONE g(classic Empty "")
            x: fetch g
                x <- NONE t1/0=1
            x: delete g
            release-hw
                a <- g NONE
                x <- g GROUP_ID_NOT_FOUND
            x: list
                x <- NONE
        "#]],
    );
}

#[test]
fn offsets_of_a_simple_group_expire_after_their_commit() {
    check(
        "
        config retention=5000 check-interval=1000
        a: commit g t1/0=1
        wait 2000
        a: commit g t1/1=2
        wait 4000
        show
        wait 2000
        show
        ",
        expect![[r#"
            config retention=5000 check-interval=1000
            a: commit g t1/0=1
                append offset g t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            wait 2000
            a: commit g t1/1=2
                append offset g t1/1 v4 = 2 at 2000
                a <- t1/1 NONE
            wait 4000
              at 5000 ms
                append tombstone of offset g t1/0
            show
                g: Empty generation 0 leader none members [] pending 0
            wait 2000
              at 7000 ms
                append tombstone of offset g t1/1
                  with tombstone of group g
            show
        "#]],
    );
}

#[test]
fn offsets_of_an_empty_group_expire_after_it_became_empty() {
    check(
        "
        config retention=5000 check-interval=1000 initial-delay=0
        a: join g v=3
        a: sync g member=a#1 gen=1 assign=a#1:x
        a: commit g member=a#1 gen=1 t1/0=1
        wait 4500
        a: leave g member=a#1
        wait 4400
        show
        wait 2000
        show
        ",
        expect![[r#"
            config retention=5000 check-interval=1000 initial-delay=0
            a: join g v=3
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            a: commit g member=a#1 gen=1 t1/0=1
                append offset g t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            wait 4500
            a: leave g member=a#1
                append group g v3: generation 2, type "consumer", protocol None, leader none, since 4500
                a <- NONE, a#1 NONE
            wait 4400
            show
                g: Empty generation 2 leader none members [] pending 0
            wait 2000
              at 10000 ms
                append tombstone of offset g t1/0
                  with tombstone of group g
            show
        "#]],
    );
}

#[test]
fn a_stable_group_loses_offsets_of_topics_that_it_gave_up() {
    check(
        "
        config retention=5000 check-interval=1000 initial-delay=0
        a: join g v=3 session=20000
        a: sync g member=a#1 gen=1 assign=a#1:x
        a: commit g member=a#1 gen=1 t1/0=1 t2/0=2
        wait 7000
        a: fetch g
        ",
        expect![[r#"
            config retention=5000 check-interval=1000 initial-delay=0
            a: join g v=3 session=20000
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 (t1)
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x
                append group g v3: generation 1, type "consumer", protocol Some("range"), leader a#1, since 0, a#1 (t1) assigned "x"
                a <- synced, protocol range, assigned "x"
            a: commit g member=a#1 gen=1 t1/0=1 t2/0=2
                append offset g t1/0 v4 = 1 at 0
                  with offset g t2/0 v4 = 2 at 0
                a <- t1/0 NONE, t2/0 NONE
            wait 7000
              at 5000 ms
                append tombstone of offset g t2/0
            a: fetch g
                a <- NONE t1/0=1
        "#]],
    );
}

#[test]
fn offsets_of_members_of_another_kind_do_not_expire() {
    check(
        "
        config retention=5000 check-interval=1000 initial-delay=0
        a: join g v=3 session=20000 type=connect
        a: sync g member=a#1 gen=1 assign=a#1:x type=connect
        a: commit g member=a#1 gen=1 t1/0=1
        wait 7000
        a: fetch g
        ",
        expect![[r#"
            config retention=5000 check-interval=1000 initial-delay=0
            a: join g v=3 session=20000 type=connect
                a <- joined generation 1 as a#1, leader a#1, protocol Some("range"), a#1 "t1"
                append group g v3: generation 0, type "", protocol None, leader none, since 0
            a: sync g member=a#1 gen=1 assign=a#1:x type=connect
                append group g v3: generation 1, type "connect", protocol Some("range"), leader a#1, since 0, a#1 "t1" assigned "x"
                a <- synced, protocol range, assigned "x"
            a: commit g member=a#1 gen=1 t1/0=1
                append offset g t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            wait 7000
            a: fetch g
                a <- NONE t1/0=1
        "#]],
    );
}

#[test]
fn a_pending_offset_holds_up_the_expiration() {
    check(
        "
        config retention=5000 check-interval=1000
        a: commit g t1/0=1
        a: txn-commit g pid=1 t1/0=2 t1/1=2
        wait 7000
        a: end-txn abort pid=1
        wait 1000
        show
        ",
        expect![[r#"
            config retention=5000 check-interval=1000
            a: commit g t1/0=1
                append offset g t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            a: txn-commit g pid=1 t1/0=2 t1/1=2
                in the transaction of producer 1, epoch 0:
                append offset g t1/0 v4 = 2 at 0
                  with offset g t1/1 v4 = 2 at 0
                a <- t1/0 NONE, t1/1 NONE
            wait 7000
            a: end-txn abort pid=1
                append ABORT of producer 1, coordinator epoch 3
                a <- NONE
            wait 1000
              at 8000 ms
                append tombstone of offset g t1/0
                  with tombstone of group g
            show
        "#]],
    );
}

#[test]
fn many_expired_offsets_go_in_several_batches() {
    check(
        "
        config retention=5000 check-interval=10000 append-max=80
        a: commit g t1/0=1
        a: commit g t1/1=1
        a: commit g t1/2=1
        a: commit h t1/3=1
        wait 10000
        show
        ",
        expect![[r#"
            config retention=5000 check-interval=10000 append-max=80
            a: commit g t1/0=1
                append offset g t1/0 v4 = 1 at 0
                a <- t1/0 NONE
            a: commit g t1/1=1
                append offset g t1/1 v4 = 1 at 0
                a <- t1/1 NONE
            a: commit g t1/2=1
                append offset g t1/2 v4 = 1 at 0
                a <- t1/2 NONE
            a: commit h t1/3=1
                append offset h t1/3 v4 = 1 at 0
                a <- t1/3 NONE
            wait 10000
              at 10000 ms
                append tombstone of offset g t1/0
                  with tombstone of offset g t1/1
                append tombstone of offset g t1/2
                  with tombstone of group g
                  with tombstone of offset h t1/3
                append tombstone of group h
            show
        "#]],
    );
}

#[test]
fn offsets_of_a_deleted_topic_are_deleted() {
    check(
        "
        a: commit g t1/0=1 t2/0=2 id=7
        a: commit h t1/3=1 id=8
        a: commit old t1/3=1
        a: txn-commit g pid=1 t1/5=4
        topics-deleted t1 id=7
        a: end-txn commit pid=1
        a: fetch g
        a: fetch h
        a: fetch old
        ",
        expect![[r#"
            a: commit g t1/0=1 t2/0=2 id=7
                append offset g t1/0 v4 = 1 at 0
                  with offset g t2/0 v4 = 2 at 0
                a <- t1/0 NONE, t2/0 NONE
            a: commit h t1/3=1 id=8
                append offset h t1/3 v4 = 1 at 0
                a <- t1/3 NONE
            a: commit old t1/3=1
                append offset old t1/3 v4 = 1 at 0
                a <- t1/3 NONE
            a: txn-commit g pid=1 t1/5=4
                in the transaction of producer 1, epoch 0:
                append offset g t1/5 v4 = 4 at 0
                a <- t1/5 NONE
            topics-deleted t1 id=7
                append tombstone of offset g t1/0
                  with tombstone of offset g t1/5
                  with tombstone of offset old t1/3
            a: end-txn commit pid=1
                append COMMIT of producer 1, coordinator epoch 3
                a <- NONE
            a: fetch g
                a <- NONE t2/0=2
            a: fetch h
                a <- NONE t1/3=1
            a: fetch old
                a <- NONE
        "#]],
    );
}
