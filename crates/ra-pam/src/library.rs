//! The C interface of libpam, and the only `unsafe` of this crate.
//!
//! Each function here keeps what C asks for: pointers are valid for the call, strings end with NUL, what a conversation
//! answers is allocated with `malloc`, since the library frees it, and every `pam_start` has its `pam_end`.
//! Source: pam(3), pam_start(3), pam_conv(3); the numbers are those of Linux-PAM's `_pam_types.h`, which are its ABI.
#![allow(unsafe_code, reason = "libpam is a C library; every block says why it is sound")]

use std::ffi::{CStr, CString, c_char, c_int, c_void};
use std::fmt;
use std::marker::PhantomData;
use std::ptr;

use libloading::os::unix as loader;
use zeroize::Zeroizing;

/// The functions of libpam that are used.
pub(crate) struct Library {
    start: Start,
    end: End,
    authenticate: WithFlags,
    account: WithFlags,
    set_item: SetItem,
    get_item: GetItem,
}

/// What is answered to the modules: the password, each time that they ask for one.
pub(crate) struct Answer<'a> {
    password: &'a Zeroizing<Vec<u8>>,
}

/// One transaction. Ends with its value, and so does everything that the library remembers about it.
pub(crate) struct Asking<'a> {
    library: &'static Library,
    handle: ptr::NonNull<Handle>,
    last: c_int,
    /// The library holds a pointer to the answer for as long as the handle lives.
    answer: PhantomData<&'a Answer<'a>>,
}

impl Library {
    /// Looks for libpam; the error is for the administrator.
    pub(crate) fn load() -> Result<Self, String> {
        // SAFETY: libpam and what it loads have initialisers that are meant to run in any program. GLOBAL gives the names the
        // meaning that they have in a program that is linked with it: a library that was preloaded to stand in for it does.
        let opened = unsafe { loader::Library::open(Some(NAME), loader::RTLD_NOW | loader::RTLD_GLOBAL) };
        let opened = opened.map_err(|error| error.to_string())?;
        // Modules may have started threads: it stays for good.
        std::mem::forget(opened);
        let all = loader::Library::this();
        Ok(Self {
            // SAFETY: each has the type that pam(3) gives it, and none is unloaded.
            start: *unsafe { all.get::<Start>(b"pam_start\0") }.map_err(|error| error.to_string())?,
            // SAFETY: as above.
            end: *unsafe { all.get::<End>(b"pam_end\0") }.map_err(|error| error.to_string())?,
            // SAFETY: as above.
            authenticate: *unsafe { all.get::<WithFlags>(b"pam_authenticate\0") }.map_err(|error| error.to_string())?,
            // SAFETY: as above.
            account: *unsafe { all.get::<WithFlags>(b"pam_acct_mgmt\0") }.map_err(|error| error.to_string())?,
            // SAFETY: as above.
            set_item: *unsafe { all.get::<SetItem>(b"pam_set_item\0") }.map_err(|error| error.to_string())?,
            // SAFETY: as above.
            get_item: *unsafe { all.get::<GetItem>(b"pam_get_item\0") }.map_err(|error| error.to_string())?,
        })
    }

    /// Begins a transaction; the error is PAM's code.
    pub(crate) fn start<'a>(
        &'static self,
        service: &CStr,
        account: &CStr,
        answer: &'a Answer<'a>,
    ) -> Result<Asking<'a>, c_int> {
        let conversation = Conversation { answer: converse, data: ptr::from_ref(answer).cast_mut().cast() };
        let mut handle = ptr::null_mut();
        // SAFETY: Linux-PAM copies the strings and the conversation; the answer that the conversation points to is borrowed
        // for as long as the transaction lives.
        let code =
            unsafe { (self.start)(service.as_ptr(), account.as_ptr(), &raw const conversation, &raw mut handle) };
        match ptr::NonNull::new(handle) {
            Some(handle) if code == SUCCESS => Ok(Asking { library: self, handle, last: SUCCESS, answer: PhantomData }),
            _ => Err(if code == SUCCESS { SYSTEM_ERR } else { code }),
        }
    }
}

impl<'a> Answer<'a> {
    /// `password` ends with NUL.
    pub(crate) fn new(password: &'a Zeroizing<Vec<u8>>) -> Self {
        Self { password }
    }
}

impl Asking<'_> {
    /// Says where the person comes from.
    pub(crate) fn comes_from(&mut self, address: &CStr) -> Result<(), c_int> {
        // SAFETY: the handle is open, and the library copies the string.
        let code = unsafe { (self.library.set_item)(self.handle.as_ptr(), RHOST, address.as_ptr().cast()) };
        self.took(code)
    }

    /// Is the password right? Empty ones never are.
    pub(crate) fn authenticate(&mut self) -> Result<(), c_int> {
        // SAFETY: the handle is open and nobody else uses it.
        let code = unsafe { (self.library.authenticate)(self.handle.as_ptr(), SILENT | DISALLOW_NULL_AUTHTOK) };
        self.took(code)
    }

    /// May the account be used now?
    pub(crate) fn account_may_be_used(&mut self) -> Result<(), c_int> {
        // SAFETY: the handle is open and nobody else uses it.
        let code = unsafe { (self.library.account)(self.handle.as_ptr(), SILENT | DISALLOW_NULL_AUTHTOK) };
        self.took(code)
    }

    /// Whom the modules have answered for.
    pub(crate) fn account(&mut self) -> Option<CString> {
        let mut item: *const c_void = ptr::null();
        // SAFETY: the handle is open, and `item` is a place for one pointer.
        let code = unsafe { (self.library.get_item)(self.handle.as_ptr(), USER, &raw mut item) };
        if self.took(code).is_err() || item.is_null() {
            return None;
        }
        // SAFETY: PAM_USER is a string of the library's own that stays as it is until the next call with this handle.
        Some(unsafe { CStr::from_ptr(item.cast()) }.to_owned())
    }

    fn took(&mut self, code: c_int) -> Result<(), c_int> {
        self.last = code;
        if code == SUCCESS { Ok(()) } else { Err(code) }
    }
}

impl Drop for Asking<'_> {
    fn drop(&mut self) {
        // SAFETY: the handle is open, and this is the last use of it. What the library says about it changes nothing.
        let _ = unsafe { (self.library.end)(self.handle.as_ptr(), self.last) };
    }
}

impl fmt::Debug for Library {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Library")
    }
}

/// Answers the modules: the password where something is asked for that is not to be seen, nothing where something is only
/// said. A question with any other answer fails, since there is nobody to ask.
///
/// It does not panic: an unwinding panic would end the process here.
unsafe extern "C" fn converse(
    count: c_int,
    messages: *mut *const Message,
    responses: *mut *mut Response,
    data: *mut c_void,
) -> c_int {
    let count = match usize::try_from(count) {
        Ok(count @ 1..=MOST_MESSAGES) if !messages.is_null() && !responses.is_null() && !data.is_null() => count,
        _ => return CONV_ERR,
    };
    // SAFETY: `data` is what `start` gave, and the answer is borrowed for the life of the transaction.
    let password = unsafe { &*data.cast::<Answer<'_>>() }.password;
    // SAFETY: plain allocation; zeroed, each response is one with no text.
    let replies = unsafe { libc::calloc(count, size_of::<Response>()) }.cast::<Response>();
    if replies.is_null() {
        return BUF_ERR;
    }
    for at in 0..count {
        // SAFETY: Linux-PAM gives an array of `count` pointers to messages.
        let message = unsafe { *messages.add(at) };
        // SAFETY: the pointer is the library's own, checked for null.
        let style = if message.is_null() { None } else { Some(unsafe { (*message).style }) };
        let taken = match style {
            Some(PROMPT_ECHO_OFF) => {
                // SAFETY: the password ends with NUL; the copy is the library's to wipe and to free.
                let copy = unsafe { libc::strdup(password.as_ptr().cast()) };
                // SAFETY: `at` is within the allocation of `count` responses.
                unsafe { (*replies.add(at)).text = copy };
                !copy.is_null()
            }
            Some(ERROR_MSG | TEXT_INFO) => true,
            _ => false,
        };
        if !taken {
            // SAFETY: the first `count` responses are ours, initialised, and nobody else has seen them.
            unsafe { wipe(replies, count) };
            return CONV_ERR;
        }
    }
    // SAFETY: checked for null above; the library takes the responses and frees them.
    unsafe { *responses = replies };
    SUCCESS
}

/// Wipes and frees responses that nobody will get.
///
/// # Safety
/// `replies` is an allocation of `count` initialised responses, each with a text from `strdup` or none.
unsafe fn wipe(replies: *mut Response, count: usize) {
    for at in 0..count {
        // SAFETY: within the allocation, by the contract.
        let text = unsafe { (*replies.add(at)).text };
        if !text.is_null() {
            // SAFETY: a string of `strdup`'s; it is ours alone and is freed once.
            unsafe {
                let length = libc::strlen(text);
                zeroize::Zeroize::zeroize(std::slice::from_raw_parts_mut(text.cast::<u8>(), length));
                libc::free(text.cast());
            }
        }
    }
    // SAFETY: from `calloc`, freed once.
    unsafe { libc::free(replies.cast()) };
}

/// `pam_handle_t`, of which nothing is known.
#[repr(C)]
pub(crate) struct Handle {
    _opaque: [u8; 0],
}

#[repr(C)]
struct Message {
    style: c_int,
    text: *const c_char,
}

#[repr(C)]
struct Response {
    text: *mut c_char,
    code: c_int,
}

#[repr(C)]
pub(crate) struct Conversation {
    answer: Converse,
    data: *mut c_void,
}

type Converse = unsafe extern "C" fn(c_int, *mut *const Message, *mut *mut Response, *mut c_void) -> c_int;
type Start = unsafe extern "C" fn(*const c_char, *const c_char, *const Conversation, *mut *mut Handle) -> c_int;
type End = unsafe extern "C" fn(*mut Handle, c_int) -> c_int;
type WithFlags = unsafe extern "C" fn(*mut Handle, c_int) -> c_int;
type SetItem = unsafe extern "C" fn(*mut Handle, c_int, *const c_void) -> c_int;
type GetItem = unsafe extern "C" fn(*const Handle, c_int, *mut *const c_void) -> c_int;

const NAME: &str = "libpam.so.0";
/// More than a module asks at once (`PAM_MAX_NUM_MSG`).
const MOST_MESSAGES: usize = 32;

const SUCCESS: c_int = 0;
pub(crate) const OPEN_ERR: c_int = 1;
pub(crate) const SYMBOL_ERR: c_int = 2;
pub(crate) const SERVICE_ERR: c_int = 3;
pub(crate) const SYSTEM_ERR: c_int = 4;
pub(crate) const BUF_ERR: c_int = 5;
pub(crate) const PERM_DENIED: c_int = 6;
pub(crate) const AUTH_ERR: c_int = 7;
pub(crate) const USER_UNKNOWN: c_int = 10;
pub(crate) const MAXTRIES: c_int = 11;
const CONV_ERR: c_int = 19;

const USER: c_int = 2;
const RHOST: c_int = 4;

const SILENT: c_int = 0x8000;
const DISALLOW_NULL_AUTHTOK: c_int = 1;

const PROMPT_ECHO_OFF: c_int = 1;
const ERROR_MSG: c_int = 3;
const TEXT_INFO: c_int = 4;

#[cfg(test)]
mod tests {
    use super::*;

    /// Plays the library's part of a conversation.
    fn asked(styles: &[c_int]) -> Result<Vec<Option<CString>>, c_int> {
        let password = Zeroizing::new(b"Tulip\0".to_vec());
        let answer = Answer::new(&password);
        let messages: Vec<Message> =
            styles.iter().map(|&style| Message { style, text: c"Password: ".as_ptr() }).collect();
        let mut pointers: Vec<*const Message> = messages.iter().map(ptr::from_ref).collect();
        let mut replies = ptr::null_mut();
        let count = c_int::try_from(styles.len()).unwrap();
        // SAFETY: everything lives until the end of this function.
        let code = unsafe {
            converse(count, pointers.as_mut_ptr(), &raw mut replies, ptr::from_ref(&answer).cast_mut().cast())
        };
        if code != SUCCESS {
            assert!(replies.is_null());
            return Err(code);
        }
        let texts = (0..styles.len()).map(|at| {
            // SAFETY: as many responses as there were messages.
            let text = unsafe { (*replies.add(at)).text };
            // SAFETY: a string of `strdup`'s, or null.
            (!text.is_null()).then(|| unsafe { CStr::from_ptr(text) }.to_owned())
        });
        let texts = texts.collect();
        // SAFETY: they are ours now.
        unsafe { wipe(replies, styles.len()) };
        Ok(texts)
    }

    #[test]
    fn a_hidden_prompt_gets_the_password_and_what_is_only_said_gets_nothing() {
        let password = Some(c"Tulip".to_owned());
        assert_eq!(asked(&[PROMPT_ECHO_OFF]), Ok(vec![password.clone()]));
        assert_eq!(asked(&[TEXT_INFO, PROMPT_ECHO_OFF, ERROR_MSG]), Ok(vec![None, password, None]));
    }

    #[test]
    fn a_question_that_only_a_person_could_answer_fails_and_so_does_a_flood() {
        assert_eq!(asked(&[PROMPT_ECHO_OFF, 2]), Err(CONV_ERR));
        assert_eq!(asked(&[5]), Err(CONV_ERR));
        assert_eq!(asked(&[]), Err(CONV_ERR));
        assert_eq!(asked(&[TEXT_INFO; MOST_MESSAGES + 1]), Err(CONV_ERR));
    }
}
