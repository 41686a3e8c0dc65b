//! A router at home for tests: on loopback, with a table, and with the faults that real ones have.

use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// What it does wrong.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) enum Fault {
    #[default]
    None,
    /// It never hears the first search.
    DeafAtFirst,
    /// It knows no leases (725).
    PermanentOnly,
    /// It wants the same port on both sides (724).
    SamePortOnly,
    /// Another computer may not ask it for anything (606).
    Refuses,
    /// It takes every request and answers none.
    Hangs,
    /// It says yes and does nothing.
    Lies,
    /// It does not list what it has (401).
    Secretive,
    /// It has no address outside.
    NoAddress,
    /// Its answers are no XML.
    Gibberish,
    /// It says that it is not connected, and names an address all the same.
    Disconnected,
    /// It says 0.0.0.0.
    ZeroAddress,
    /// Its description has more bytes than any.
    HugeDescription,
    /// Its description is nested deeper than any.
    DeepDescription,
    /// Its description comes in drops.
    SlowDescription,
    /// Its description says that it is controlled somewhere else.
    ElsewhereDescription,
    /// Its answers do not end.
    EndlessAnswers,
}

/// An outside port, where it leads, and for how many seconds.
pub(crate) type Entry = (u16, String, u16, u32);

pub(crate) struct Router {
    pub(crate) searches_go_to: SocketAddr,
    pub(crate) table: Arc<Mutex<Vec<Entry>>>,
}

impl Router {
    /// Starts one; its threads end with the process of the test.
    pub(crate) fn start(fault: Fault) -> Self {
        let udp = UdpSocket::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let tcp = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let (searches_go_to, control) = (udp.local_addr().unwrap(), tcp.local_addr().unwrap());
        let table: Arc<Mutex<Vec<Entry>>> = Arc::default();
        let kept = Arc::clone(&table);
        std::thread::spawn(move || answer_searches(&udp, control, fault));
        std::thread::spawn(move || {
            for stream in tcp.incoming().flatten() {
                let table = Arc::clone(&table);
                std::thread::spawn(move || serve(&stream, &table, fault));
            }
        });
        Self { searches_go_to, table: kept }
    }

    pub(crate) fn ports(&self) -> Vec<u16> {
        self.table.lock().unwrap().iter().map(|entry| entry.0).collect()
    }
}

fn answer_searches(udp: &UdpSocket, control: SocketAddr, fault: Fault) {
    let mut first_from = None;
    let mut buffer = [0; 1500];
    while let Ok((_, from)) = udp.recv_from(&mut buffer) {
        // One search is several datagrams from one socket, one for each kind of device.
        let is_first = *first_from.get_or_insert(from) == from;
        if fault == Fault::DeafAtFirst && is_first {
            continue;
        }
        let answer = format!(
            "HTTP/1.1 200 OK\r\nCACHE-CONTROL: max-age=120\r\nST: {DEVICE}\r\nUSN: uuid:1::{DEVICE}\r\nEXT:\r\n\
             SERVER: test UPnP/1.0 test\r\nLOCATION: http://{control}/root.xml\r\n\r\n"
        );
        let _ = udp.send_to(answer.as_bytes(), from);
    }
}

fn serve(mut stream: &TcpStream, table: &Mutex<Vec<Entry>>, fault: Fault) {
    let Some((path, body)) = request(stream) else { return };
    let (status, text) = match path.as_str() {
        "/root.xml" => match fault {
            // Two megabytes; the reader's limit is one.
            Fault::HugeDescription => (200, root().replace("</root>", &format!("{}</root>", " ".repeat(2 << 20)))),
            Fault::DeepDescription => {
                let deep = format!("{}{}</root>", "<a>".repeat(100), "</a>".repeat(100));
                (200, root().replace("</root>", &deep))
            }
            Fault::ElsewhereDescription => (200, root().replace(">/ctl<", ">http://127.0.0.9:80/ctl<")),
            Fault::SlowDescription => return in_drops(stream, &root()),
            _ => (200, root()),
        },
        "/scpd.xml" => (200, description()),
        _ if fault == Fault::Hangs => {
            // Until the other side hangs up.
            let _ = stream.read(&mut [0; 1]);
            return;
        }
        _ if fault == Fault::EndlessAnswers => {
            let _ = stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: text/xml\r\nConnection: close\r\n\r\n");
            while stream.write_all(&[b' '; 1 << 16]).is_ok() {}
            return;
        }
        _ if fault == Fault::Gibberish => (200, "<not <xml".to_owned()),
        _ => match act(&body, table, fault) {
            Ok(text) => (200, envelope(&text)),
            Err(code) => (500, envelope(&fault_of(code))),
        },
    };
    let reason = if status == 200 { "OK" } else { "Internal Server Error" };
    let length = text.len();
    let head = format!("HTTP/1.1 {status} {reason}\r\nContent-Type: text/xml\r\nContent-Length: {length}\r\n");
    let answer = format!("{head}Connection: close\r\n\r\n{text}");
    let _ = stream.write_all(answer.as_bytes());
}

/// A byte now and then, until the other side hangs up: its read ends when this end writes no more.
fn in_drops(mut stream: &TcpStream, text: &str) {
    let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n", text.len());
    let _ = stream.write_all(head.as_bytes());
    let _ = stream.set_read_timeout(Some(Duration::from_millis(50)));
    for byte in text.bytes() {
        // Waits for the pause, or for the other side to be gone.
        let gone = matches!(stream.read(&mut [0; 1]), Ok(0));
        if gone || stream.write_all(&[byte]).is_err() {
            return;
        }
    }
}

/// The path and the body of an HTTP request.
fn request(stream: &TcpStream) -> Option<(String, String)> {
    stream.set_read_timeout(Some(Duration::from_secs(20))).ok()?;
    let mut reader = BufReader::new(stream);
    let mut first = String::new();
    reader.read_line(&mut first).ok()?;
    let path = first.split_whitespace().nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut line = String::new();
        reader.read_line(&mut line).ok()?;
        let line = line.trim().to_ascii_lowercase();
        if let Some(number) = line.strip_prefix("content-length:") {
            length = number.trim().parse().ok()?;
        }
        if line.is_empty() {
            break;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8(body).ok()?))
}

/// Does what a SOAP request asks for, or gives the UPnP error.
fn act(body: &str, table: &Mutex<Vec<Entry>>, fault: Fault) -> Result<String, u16> {
    let field = |name: &str| -> String {
        let rest = body.split_once(&format!("<{name}>")).map_or("", |(_, rest)| rest);
        rest.split('<').next().unwrap_or_default().to_owned()
    };
    let number = |name: &str| field(name).parse::<u32>().map_err(|_| 402_u16);
    let port = |name: &str| u16::try_from(number(name)?).map_err(|_| 402_u16);
    let mut table = table.lock().unwrap();
    if body.contains("GetExternalIPAddress") {
        let address = match fault {
            Fault::NoAddress => "",
            Fault::ZeroAddress => "0.0.0.0",
            _ => "11.0.0.1",
        };
        let inner = format!("<NewExternalIPAddress>{address}</NewExternalIPAddress>");
        return Ok(response("GetExternalIPAddress", &inner));
    }
    if body.contains("GetStatusInfo") {
        let status = if fault == Fault::Disconnected { "Disconnected" } else { "Connected" };
        let inner = format!(
            "<NewConnectionStatus>{status}</NewConnectionStatus><NewLastConnectionError>ERROR_NONE</NewLastConnectionError>\
             <NewUptime>77</NewUptime>"
        );
        return Ok(response("GetStatusInfo", &inner));
    }
    if body.contains("GetGenericPortMappingEntry") {
        if fault == Fault::Secretive {
            return Err(401);
        }
        let index = number("NewPortMappingIndex")? as usize;
        return Ok(response("GetGenericPortMappingEntry", &listed(table.get(index).ok_or(713_u16)?)));
    }
    if fault == Fault::Refuses {
        return Err(606);
    }
    let external = port("NewExternalPort")?;
    if body.contains("DeletePortMapping") {
        let before = table.len();
        table.retain(|entry| entry.0 != external);
        return if table.len() < before { Ok(response("DeletePortMapping", "")) } else { Err(714) };
    }
    let (client, internal, lease) = (field("NewInternalClient"), port("NewInternalPort")?, number("NewLeaseDuration")?);
    if table.iter().any(|entry| entry.0 == external && (entry.1 != client || entry.2 != internal)) {
        return Err(718);
    }
    match fault {
        Fault::PermanentOnly if lease != 0 => return Err(725),
        Fault::SamePortOnly if external != internal => return Err(724),
        Fault::Lies => {}
        _ => {
            table.retain(|entry| entry.0 != external);
            table.push((external, client, internal, lease));
        }
    }
    Ok(response("AddPortMapping", ""))
}

fn listed((external, client, internal, lease): &Entry) -> String {
    format!(
        "<NewRemoteHost></NewRemoteHost><NewExternalPort>{external}</NewExternalPort><NewProtocol>TCP</NewProtocol>\
         <NewInternalPort>{internal}</NewInternalPort><NewInternalClient>{client}</NewInternalClient>\
         <NewEnabled>1</NewEnabled><NewPortMappingDescription>x</NewPortMappingDescription>\
         <NewLeaseDuration>{lease}</NewLeaseDuration>"
    )
}

fn fault_of(code: u16) -> String {
    format!(
        "<s:Fault><faultcode>s:Client</faultcode><faultstring>UPnPError</faultstring><detail>\
         <UPnPError xmlns=\"urn:schemas-upnp-org:control-1-0\"><errorCode>{code}</errorCode>\
         <errorDescription>no</errorDescription></UPnPError></detail></s:Fault>"
    )
}

fn response(action: &str, inner: &str) -> String {
    format!("<u:{action}Response xmlns:u=\"{SERVICE}\">{inner}</u:{action}Response>")
}

fn envelope(inner: &str) -> String {
    format!(
        "<?xml version=\"1.0\"?><s:Envelope xmlns:s=\"http://schemas.xmlsoap.org/soap/envelope/\" \
         s:encodingStyle=\"http://schemas.xmlsoap.org/soap/encoding/\"><s:Body>{inner}</s:Body></s:Envelope>"
    )
}

fn root() -> String {
    let device = |kind: &str, inner: &str| {
        let kind = format!("<deviceType>urn:schemas-upnp-org:device:{kind}:1</deviceType>");
        format!("<device>{kind}<UDN>uuid:1</UDN>{inner}</device>")
    };
    let service = format!(
        "<serviceList><service><serviceType>{SERVICE}</serviceType>\
         <serviceId>urn:upnp-org:serviceId:WANIPConn1</serviceId><controlURL>/ctl</controlURL>\
         <eventSubURL>/evt</eventSubURL><SCPDURL>/scpd.xml</SCPDURL></service></serviceList>"
    );
    let connection = device("WANConnectionDevice", &service);
    let wan = device("WANDevice", &format!("<deviceList>{connection}</deviceList>"));
    let gateway = device("InternetGatewayDevice", &format!("<deviceList>{wan}</deviceList>"));
    format!("<?xml version=\"1.0\"?><root xmlns=\"urn:schemas-upnp-org:device-1-0\">{gateway}</root>")
}

fn description() -> String {
    let action = |name: &str, arguments: &[&str]| {
        let argument = |name: &&str| format!("<argument><name>{name}</name><direction>in</direction></argument>");
        let arguments: String = arguments.iter().map(argument).collect();
        format!("<action><name>{name}</name><argumentList>{arguments}</argumentList></action>")
    };
    let adding = [
        "NewRemoteHost",
        "NewExternalPort",
        "NewProtocol",
        "NewInternalPort",
        "NewInternalClient",
        "NewEnabled",
        "NewPortMappingDescription",
        "NewLeaseDuration",
    ];
    let actions = [
        action("GetExternalIPAddress", &[]),
        action("AddPortMapping", &adding),
        action("DeletePortMapping", &adding[..3]),
        action("GetGenericPortMappingEntry", &["NewPortMappingIndex"]),
    ];
    let actions = actions.concat();
    format!(
        "<?xml version=\"1.0\"?><scpd xmlns=\"urn:schemas-upnp-org:service-1-0\">\
         <actionList>{actions}</actionList></scpd>"
    )
}

const DEVICE: &str = "urn:schemas-upnp-org:device:InternetGatewayDevice:1";
const SERVICE: &str = "urn:schemas-upnp-org:service:WANIPConnection:1";
