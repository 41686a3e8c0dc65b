//! Who holds a port that is taken, as far as `/proc` tells this user.

use std::fs;

/// A program that listens on a port.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Holder {
    /// Its process id.
    pub(crate) process: u32,
    /// Its name, as `ps` shows it.
    pub(crate) name: String,
}

/// The program that listens on TCP port `port`, if this user may know.
pub(crate) fn of(port: u16) -> Option<Holder> {
    let sockets: Vec<u64> = ["/proc/net/tcp", "/proc/net/tcp6"]
        .iter()
        .filter_map(|table| fs::read_to_string(table).ok())
        .flat_map(|table| listening_on(&table, port))
        .collect();
    let wanted: Vec<String> = sockets.iter().map(|inode| format!("socket:[{inode}]")).collect();
    let processes =
        fs::read_dir("/proc").ok()?.flatten().filter_map(|entry| entry.file_name().to_str()?.parse::<u32>().ok());
    let holds = |process: &u32| {
        let Ok(descriptors) = fs::read_dir(format!("/proc/{process}/fd")) else { return false };
        let mut targets = descriptors.flatten().filter_map(|entry| fs::read_link(entry.path()).ok());
        targets.any(|target| wanted.iter().any(|socket| target.as_os_str() == socket.as_str()))
    };
    let process = processes.into_iter().find(holds)?;
    let name = fs::read_to_string(format!("/proc/{process}/comm")).ok()?;
    let name = name.trim().chars().map(|c| if c.is_control() { '?' } else { c }).collect();
    Some(Holder { process, name })
}

/// The inodes of sockets that listen on a port, in text of the form of `/proc/net/tcp`.
fn listening_on(table: &str, port: u16) -> Vec<u64> {
    let inode = |line: &str| {
        let mut fields = line.split_whitespace();
        let local = fields.nth(1)?;
        let state = fields.nth(1)?;
        let inode = fields.nth(5)?;
        let here = u16::from_str_radix(local.rsplit(':').next()?, 16).ok()?;
        (here == port && state == LISTENING).then(|| inode.parse().ok())?
    };
    table.lines().skip(1).filter_map(inode).collect()
}

/// `TCP_LISTEN` of the kernel.
const LISTENING: &str = "0A";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_kernel_s_table_is_read_by_its_columns() {
        let table = "  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n\
            \x20  0: 00000000:0D3D 00000000:0000 0A 00000000:00000000 00:00000000 00000000  1000        0 12345 1 0 100 0 0 10 0\n\
            \x20  1: 0100007F:0D3D 0100007F:9C40 01 00000000:00000000 00:00000000 00000000  1000        0 22222 1 0 20 4 30 10 -1\n\
            \x20  2: 00000000000000000000000000000000:0050 00000000000000000000000000000000:0000 0A 0:0 00:0 0 0 0 777 1 0\n\
            broken\n";
        assert_eq!(listening_on(table, 3389), [12345]);
        assert_eq!(listening_on(table, 80), [777]);
        assert_eq!(listening_on(table, 81), [0_u64; 0]);
    }

    #[test]
    fn this_program_finds_itself() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let holder = of(listener.local_addr().unwrap().port()).unwrap();
        assert_eq!(holder.process, std::process::id());
    }
}
