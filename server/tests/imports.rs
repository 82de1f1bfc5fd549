//! Whole lists from a spreadsheet: all rows or none, every fault at its row and column, the same file twice without doubles.

#![allow(clippy::unwrap_used, reason = "a test that fails says where")]

mod desk;

use std::io::Cursor;

use actix_web::http::Method;
use calamine::{Reader, Xlsx};
use desk::*;
use rust_xlsxwriter::Workbook;
use serde_json::json;

async fn bring(world: &World, by: u8, sort: &str, file: impl Into<Vec<u8>>, dry_run: bool) -> Answer {
    let path = format!("/api/v1/imports/{sort}?unit={}&dry_run={dry_run}", uuid(COMMUNE));
    world.send(world.request(by, Method::POST, &path).set_payload(file.into())).await
}

/// Rows, entered, known, faulty.
fn tally(answer: &Answer) -> [u64; 4] {
    assert_eq!(answer.status, 200, "{}", answer.text);
    ["rows", "entered", "known", "faulty"].map(|name| answer.body[name].as_u64().unwrap())
}

/// Field and code of every fault.
fn faults(answer: &Answer) -> Vec<(&str, &str)> {
    let errors = answer.body["errors"].as_array().unwrap().iter();
    errors.map(|error| (error["field"].as_str().unwrap(), error["code"].as_str().unwrap())).collect()
}

async fn names(world: &World, path: String, name: &str) -> Vec<String> {
    let answer = world.get(OFFICER, path).await;
    let items = answer.body["items"].as_array().unwrap();
    items.iter().map(|item| item[name].as_str().unwrap().to_owned()).collect()
}

const VILLAGES: &str = "Tên thôn;Loại;Mã thôn\nBản Nà Khoang;;\nPhiêng Lơi;Thôn;04610-007\n";
const TEAMS: &str = "Thôn;Tên tổ;Số quyết định;Ngày quyết định\n\
                     Nà Khoang;;12/QĐ-UBND;05/01/2026\nthôn phiêng lơi;Tổ Phiêng Lơi;;\n;Tổ xã;;\n";
const MEMBERS: &str = "Thôn;Họ và tên;Số điện thoại;Chức vụ;Đơn vị, đoàn thể;Từ ngày\n\
                       Nà Khoang;Lò Thị Mai;0912 345 671;tổ trưởng;Hội phụ nữ;5/1/2026\n\
                       Phiêng Lơi;Vàng A Sử;+84 912 345 672;;;\n;Hà Văn Bách;0912345673;Thành viên;Khác;\n";
const HOUSEHOLDS: &str = "Thôn;Tên gọi của nhà;Mốc dễ thấy;Diện hộ;Số người từ 15 tuổi\n\
                          Nà Khoang;Nhà đầu suối;mái tôn đỏ;Hộ nghèo;3\nNà Khoang;Nhà bà Mỷ;;;2\n";

#[actix_web::test]
async fn an_empty_commune_is_filled_from_four_lists_and_the_same_lists_change_nothing_more() {
    for world in worlds().await {
        let lists =
            [("villages", VILLAGES, 2), ("teams", TEAMS, 3), ("members", MEMBERS, 3), ("households", HOUSEHOLDS, 2)];
        for (sort, file, rows) in lists {
            assert_eq!(tally(&bring(&world, OFFICER, sort, file, true).await), [rows, rows, 0, 0], "{sort}, tried");
            assert_eq!(tally(&bring(&world, OFFICER, sort, file, false).await), [rows, rows, 0, 0], "{sort}");
            assert_eq!(tally(&bring(&world, OFFICER, sort, file, false).await), [rows, 0, rows, 0], "{sort}, again");
        }
        let commune = uuid(COMMUNE);
        let villages = world.get(OFFICER, format!("/api/v1/units?parent={commune}")).await;
        let found = |name: &str| {
            let items = villages.body["items"].as_array().unwrap();
            let village = items.iter().find(|item| item["full_name"] == name).unwrap_or_else(|| panic!("{name}"));
            (village["id"].as_str().unwrap().to_owned(), village["code"].as_str().unwrap().to_owned())
        };
        let ((village, code), (_, given)) = (found("Bản Nà Khoang"), found("Thôn Phiêng Lơi"));
        assert_eq!(
            (code.as_str(), given.as_str()),
            ("04610-001", "04610-007"),
            "a free number, and the one of the list"
        );
        let teams = names(&world, format!("/api/v1/teams?unit={village}"), "name").await;
        assert_eq!(teams, ["Tổ chuyển đổi số cộng đồng Bản Nà Khoang"]);
        let team = world.get(OFFICER, format!("/api/v1/teams?unit={village}")).await.body["items"][0].clone();
        let members = world.get(OFFICER, format!("/api/v1/teams/{}/members", team["id"].as_str().unwrap())).await;
        let member = &members.body["items"][0];
        let said = ["display_name", "position", "organisation", "from"].map(|name| member[name].as_str().unwrap());
        assert_eq!(said, ["Lò Thị Mai", "leader", "women", "2026-01-05"]);
        let search = json!({ "village": village, "q": "nha dau suoi" });
        let houses = world.post(OFFICER, "/api/v1/households/search", search).await;
        assert_eq!(houses.body["items"].as_array().map(Vec::len), Some(1), "{}", houses.text);
    }
}

#[actix_web::test]
async fn one_bad_row_keeps_the_whole_list_out_and_every_fault_is_named() {
    for world in worlds().await {
        let file = "Thôn,Họ tên,SĐT,Chức vụ,Từ ngày,Ghi chú\n\
                    Nơi số 11,Lò Thị Mai,0912345671,,,\n\
                    Nơi số 99,Lò Thị Hoa,0912345672,,,\n\
                    Nơi số 11,,0912345673,,,\n\
                    Nơi số 11,Vàng A Sử,12345,,,\n\
                    Nơi số 11,Vàng A Páo,0912345675,trùm,,\n\
                    Nơi số 11,Vàng A Chư,0912345676,,31/02/2026,\n\
                    Nơi số 12,Hà Văn Bách,0912345677,,,\n\
                    nơi số 11,Lò Thị Mai (con),0912 345 671,,,\n";
        let expected = [
            ("rows.4.name", "required"),
            ("rows.5.phone", "phone_bad_prefix"),
            ("rows.6.position", "not_a_choice"),
            ("rows.7.from", "not_a_day"),
            ("rows.9", "repeated_row"),
            ("rows.3.village", "unknown_village"),
            ("rows.8.team", "unknown_team"),
        ];
        let tried = bring(&world, OFFICER, "members", file, true).await;
        assert_eq!((tally(&tried), faults(&tried)), ([8, 1, 0, 7], expected.to_vec()));
        assert_eq!(tried.body["ignored"], json!(["Ghi chú"]));
        let day = &tried.body["errors"][3];
        assert_eq!(day["detail_vi"], "Dòng 7, cột “Từ ngày”: chưa đúng. Cần ngày, ví dụ 22/11/2026.");
        assert!(
            !tried.text.contains("31/02/2026") && !tried.text.contains("12345"),
            "no answer repeats what was typed"
        );

        let refused = bring(&world, OFFICER, "members", file, false).await;
        assert_eq!((refused.status, refused.code(), faults(&refused)), (400, "import_refused", expected.to_vec()));
        let team = format!("/api/v1/teams/{}/members", world.team);
        assert!(names(&world, team, "display_name").await.is_empty(), "not even the good row");
        let users = names(&world, format!("/api/v1/users?unit={}", uuid(COMMUNE)), "display_name").await;
        assert!(!users.contains(&"Lò Thị Mai".to_owned()), "no account either");
    }
}

#[actix_web::test]
async fn a_file_or_heading_that_cannot_be_read_is_told_apart_from_bad_rows() {
    let world = worlds().await.remove(0);
    let headless = bring(&world, OFFICER, "members", "Thôn,Tên\nNơi số 11,Lò Thị Mai\n", false).await;
    assert_eq!((headless.status, faults(&headless)), (400, vec![("rows.1.phone", "missing_column")]));
    let twice = bring(&world, OFFICER, "members", "Tên,Họ tên,SĐT\nA,B,0912345671\n", false).await;
    assert_eq!(faults(&twice), [("rows.1.name", "repeated_column")]);
    let latin = bring(&world, OFFICER, "members", b"Th\xf4n,T\xean\nA,B\n".to_vec(), false).await;
    assert_eq!((latin.status, faults(&latin)), (400, vec![("file", "not_utf8")]));
    assert_eq!(bring(&world, OFFICER, "parties", MEMBERS, false).await.status, 404);
    let large = bring(&world, OFFICER, "members", vec![b'a'; (20 << 20) + 1], false).await;
    assert_eq!((large.status, large.code()), (413, "body_too_large"));
}

#[actix_web::test]
async fn only_who_may_enter_the_rows_one_by_one_may_bring_them_as_a_list() {
    for world in worlds().await {
        for (by, status) in
            [(MEMBER, 403), (LEADER, 403), (PROVINCE_OFFICER, 403), (AUDITOR, 403), (FOREIGN_OFFICER, 404)]
        {
            for dry_run in [true, false] {
                assert_eq!(bring(&world, by, "teams", TEAMS, dry_run).await.status, status, "{by} {dry_run}");
            }
        }
        assert_eq!(
            bring(&world, ADMIN, "households", HOUSEHOLDS, false).await.status,
            403,
            "an admin enters no household"
        );
        assert_eq!(tally(&bring(&world, ADMIN, "villages", VILLAGES, false).await), [2, 2, 0, 0]);
    }
}

#[actix_web::test]
async fn what_the_rules_refuse_is_told_at_its_row() {
    for world in worlds().await {
        let village = world.get(OFFICER, format!("/api/v1/units/{}", uuid(SIBLING))).await.body;
        let body = json!({ "base_ver": village["ver"], "privacy": "tally" });
        let path = format!("/api/v1/units/{}/privacy", uuid(SIBLING));
        let set = world.send(world.request(OFFICER, Method::PATCH, &path).set_json(body)).await;
        assert_eq!(set.status, 200, "{}", set.text);
        let file = "Thôn,Nhà,Số người từ 15 tuổi\nNơi số 11,Nhà bà Mỷ,2\nNơi số 12,Nhà ông Páo,3\n";
        let tried = bring(&world, OFFICER, "households", file, true).await;
        assert_eq!((tally(&tried), faults(&tried)[0].0), ([2, 1, 0, 1], "rows.3"), "{}", tried.text);
        assert_eq!(bring(&world, OFFICER, "households", file, false).await.status, 400);
    }
}

#[actix_web::test]
async fn the_empty_table_is_taken_back_filled_in() {
    let world = worlds().await.remove(0);
    for lang in ["vi", "en"] {
        let answer =
            world.send(world.request(OFFICER, Method::GET, &format!("/api/v1/imports/members/template?lang={lang}")));
        assert_eq!(answer.await.status, 200);
        let bytes = server::import::template(
            server::import::columns::Sort::Members,
            if lang == "vi" { sync_protocol::catalogue::Lang::Vi } else { sync_protocol::catalogue::Lang::En },
        );
        let mut template = Xlsx::new(Cursor::new(bytes.unwrap())).unwrap();
        let range = template.worksheet_range_at(0).unwrap().unwrap();
        let heads: Vec<String> = range.rows().next().unwrap().iter().map(ToString::to_string).collect();
        let mut book = Workbook::new();
        let sheet = book.add_worksheet();
        for (at, head) in (0..).zip(&heads) {
            sheet.write(0, at, head).unwrap();
        }
        // As Excel keeps a phone number that was typed into a plain cell.
        sheet.write(1, 0, "Nơi số 11").unwrap().write(1, 2, "Lò Thị Mai").unwrap().write(1, 3, 912_345_671).unwrap();
        let tried = bring(&world, OFFICER, "members", book.save_to_buffer().unwrap(), true).await;
        assert_eq!(tally(&tried), [1, 1, 0, 0], "{lang}: {heads:?}");
    }
}
