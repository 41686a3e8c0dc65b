//! An event that nobody permitted.

use ra_desktop::Injector;
use ra_session::input::InputEvent;

fn inject(injector: &mut Injector) {
    let _ = injector.inject(InputEvent::PointerMove { x: 1, y: 1 });
}

fn main() {}
