//! `rajut`: command line -> config -> role -> run until signal.

fn main() {
    let mut kernel = rajut::kernel::Kernel::load(&Default::default(), &[]).unwrap();
    for _ in 0..3 {
        std::thread::sleep(std::time::Duration::from_secs(1));
        let r = kernel.read();
        for (id, v) in &r.rows { println!("{id:?} {:?} {:?}", v.counters, v.histograms.iter().map(|(_, h)| (h.count(), h.sum)).collect::<Vec<_>>()); }
        println!("{:?}", r.lost);
    }
    println!("{:#?} {:#?} {}", kernel.probes(), kernel.ledger(), kernel.maps_bytes());
}
