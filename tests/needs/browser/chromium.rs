//! A headless Chromium, driven over the pipe of its DevTools protocol: no driver program, no port.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// How long anything in the page may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// A browser with one page. It records the requests and the errors of the page.
pub(crate) struct Page {
    child: Child,
    commands: ChildStdin,
    messages: BufReader<ChildStdout>,
    session: Option<String>,
    next_id: u64,
    /// Addresses that the page requested.
    pub requests: Vec<String>,
    /// Console errors, exceptions and what the browser logged of the page.
    pub complaints: Vec<String>,
    _profile: TempDir,
}

impl Page {
    /// Opens a file in a new browser, with a profile of its own and nothing that talks to anybody.
    pub(crate) fn open(path: &Path) -> Page {
        let profile = TempDir::new().unwrap();
        // The protocol's pipe is on the descriptors 3 and 4: standard input and output, moved there.
        let mut child = Command::new("sh")
            .args(["-c", r#"exec chromium "$@" 3<&0 4>&1 </dev/null >/dev/null 2>&1"#, "sh"])
            .args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run"])
            .args(["--disable-background-networking", "--disable-component-update", "--disable-sync"])
            .args(["--disable-dev-shm-usage", "--remote-debugging-pipe", "--window-size=1100,1000"])
            .arg(format!("--user-data-dir={}", profile.path().display()))
            .arg("about:blank")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let (commands, messages) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let messages = BufReader::new(messages);
        let mut page = Page {
            child,
            commands,
            messages,
            session: None,
            next_id: 0,
            requests: Vec::new(),
            complaints: Vec::new(),
            _profile: profile,
        };
        let target = page.call("Target.createTarget", json!({ "url": "about:blank" }));
        let attached =
            page.call("Target.attachToTarget", json!({ "targetId": target["targetId"], "flatten": true }));
        page.session = Some(attached["sessionId"].as_str().unwrap().to_owned());
        for domain in ["Page", "Network", "Runtime", "Log"] {
            page.call(&format!("{domain}.enable"), json!({}));
        }
        // Keys go to the page although no window is in front.
        page.call("Emulation.setFocusEmulationEnabled", json!({ "enabled": true }));
        page.call("Page.navigate", json!({ "url": format!("file://{}", path.display()) }));
        page.until("document.readyState === 'complete' && document.querySelector('#stage svg') !== null");
        page
    }

    /// Sends a command and returns its result; events on the way are looked at.
    #[allow(clippy::needless_pass_by_value, reason = "callers write the parameters in place")]
    pub(crate) fn call(&mut self, method: &str, parameters: Value) -> Value {
        self.next_id += 1;
        let mut command = json!({ "id": self.next_id, "method": method, "params": parameters });
        if let Some(session) = &self.session {
            command["sessionId"] = session.as_str().into();
        }
        self.commands.write_all(format!("{command}\0").as_bytes()).unwrap();
        loop {
            let message = self.message();
            if message["id"] == self.next_id {
                assert!(message.get("error").is_none(), "{method}: {message}");
                return message["result"].clone();
            }
            self.note(&message);
        }
    }

    fn message(&mut self) -> Value {
        let mut bytes = Vec::new();
        self.messages.read_until(0, &mut bytes).unwrap();
        assert_eq!(bytes.pop(), Some(0), "the browser ended");
        serde_json::from_slice(&bytes).unwrap()
    }

    fn note(&mut self, event: &Value) {
        let parameters = &event["params"];
        match event["method"].as_str() {
            Some("Network.requestWillBeSent") => {
                self.requests.push(parameters["request"]["url"].as_str().unwrap_or_default().to_owned());
            }
            Some("Runtime.exceptionThrown" | "Log.entryAdded") => {
                self.complaints.push(parameters.to_string())
            }
            Some("Runtime.consoleAPICalled") => self.complaints.push(parameters.to_string()),
            _ => {}
        }
    }

    /// The value of an expression in the page.
    pub(crate) fn value(&mut self, expression: &str) -> Value {
        let parameters = json!({ "expression": expression, "returnByValue": true });
        let answer = self.call("Runtime.evaluate", parameters);
        assert!(answer.get("exceptionDetails").is_none(), "{expression}: {answer}");
        answer["result"]["value"].clone()
    }

    /// Waits until an expression is true.
    pub(crate) fn until(&mut self, expression: &str) {
        let begin = Instant::now();
        while self.value(expression) != true {
            assert!(begin.elapsed() < PATIENCE, "never true: {expression}");
            std::thread::sleep(Duration::from_millis(20));
        }
    }

    /// Moves the mouse to the middle of the first element that a selector finds.
    pub(crate) fn point_at(&mut self, selector: &str) -> (f64, f64) {
        let selector = Value::from(selector);
        let place = self.value(&format!(
            "(() => {{ const it = document.querySelector({selector}); \
             it.scrollIntoView({{ block: 'center' }}); const box = it.getBoundingClientRect(); \
             return [box.x + box.width / 2, box.y + box.height / 2]; }})()"
        ));
        let (x, y) = (place[0].as_f64().unwrap(), place[1].as_f64().unwrap());
        self.mouse("mouseMoved", x, y, "none");
        (x, y)
    }

    /// Clicks on the first element that a selector finds.
    pub(crate) fn click(&mut self, selector: &str) {
        let (x, y) = self.point_at(selector);
        self.mouse("mousePressed", x, y, "left");
        self.mouse("mouseReleased", x, y, "left");
    }

    fn mouse(&mut self, kind: &str, x: f64, y: f64, button: &str) {
        let clicks = u8::from(button != "none");
        let parameters = json!({ "type": kind, "x": x, "y": y, "button": button, "clickCount": clicks });
        self.call("Input.dispatchMouseEvent", parameters);
    }

    /// Presses and releases a key that types nothing.
    pub(crate) fn press(&mut self, key: &str, code: u32) {
        for kind in ["rawKeyDown", "keyUp"] {
            let parameters = json!({ "type": kind, "key": key, "code": key, "windowsVirtualKeyCode": code });
            self.call("Input.dispatchKeyEvent", parameters);
        }
    }
}

impl Drop for Page {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
