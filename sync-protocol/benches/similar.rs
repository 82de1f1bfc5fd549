//! What it costs to look for doubles among all households of a commune.

#![allow(missing_docs)]

#[path = "../examples/made_up/mod.rs"]
mod made_up;

use std::hint::black_box;

use criterion::{Criterion, criterion_group, criterion_main};
use made_up::Rng;
use sync_protocol::similar::{Description, Folded, similar_pairs};

const FAMILIES: [&str; 12] =
    ["Giàng", "Lò", "Vàng", "Sùng", "Thào", "Lý", "Hoàng", "Nguyễn", "Trần", "Đặng", "Bàn", "Triệu"];
const MIDDLES: [&str; 6] = ["A", "Thị", "Văn", "Seo", "Đức", "Xuân"];
const GIVEN: [&str; 40] = [
    "Páo", "Mỷ", "Dia", "Sơn", "Lan", "Tú", "Hải", "Dung", "Chư", "Sử", "Vang", "Mai", "Hòa", "Nam", "Minh", "Thắng",
    "Phương", "Hương", "Bình", "Cường", "Chang", "Dơ", "Gâu", "Hảng", "Lềnh", "Nủ", "Pàng", "Quang", "Sáy", "Tủa",
    "Vừ", "Xóa", "Yến", "Ánh", "Chín", "Đông", "Giang", "Kim", "Lợi", "Ngọc",
];
const WORDS: [&str; 40] = [
    "đầu",
    "cuối",
    "suối",
    "cầu",
    "mái",
    "tôn",
    "đỏ",
    "xanh",
    "ngói",
    "trường",
    "chợ",
    "dốc",
    "khe",
    "ruộng",
    "mận",
    "đào",
    "ao",
    "cây",
    "đa",
    "sàn",
    "gỗ",
    "gạch",
    "mới",
    "cũ",
    "trên",
    "dưới",
    "ngã",
    "ba",
    "bến",
    "đập",
    "nương",
    "chè",
    "quế",
    "trạm",
    "y",
    "tế",
    "đá",
    "rừng",
    "giếng",
    "cổng",
];

/// Households as a commune has them: most with a name and a label, a third with a phone; one in fifty entered twice.
fn commune(households: usize) -> Vec<Folded> {
    let mut rng = Rng::new(7);
    let mut list: Vec<Folded> = Vec::with_capacity(households);
    while list.len() < households {
        if !list.is_empty() && rng.percent(2) {
            let double = rng.pick(&list).clone();
            list.push(double);
            continue;
        }
        let head = match rng.percent(80) {
            true => format!("{} {} {}", rng.word(&FAMILIES), rng.word(&MIDDLES), rng.word(&GIVEN)),
            false => String::new(),
        };
        let label = format!("nhà {} {} {} {}", rng.word(&WORDS), rng.word(&WORDS), rng.word(&WORDS), rng.word(&WORDS));
        let phone = if rng.percent(33) { format!("09{:08}", rng.below(100_000_000)) } else { String::new() };
        let landmark = if rng.percent(40) { format!("gần {}", rng.word(&WORDS)) } else { String::new() };
        list.push(Folded::of(&Description { label: &label, landmark: &landmark, head: &head, phone: &phone }));
    }
    list
}

fn pairs(c: &mut Criterion) {
    let mut group = c.benchmark_group("likely doubles");
    group.sample_size(10);
    for households in [1_000, 5_000] {
        let list = commune(households);
        group.bench_function(format!("of {households} households"), |b| b.iter(|| similar_pairs(black_box(&list))));
    }
    group.finish();
}

criterion_group!(benches, pairs);
criterion_main!(benches);
