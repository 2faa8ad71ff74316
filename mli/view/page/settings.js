// Threshold and strategies: a draft until it is applied, then a deployment until the core reports it.

const element = (id) => document.getElementById(id);
const STATES = { pending: "Changing", done: "Applied", failed: "Failed" };

export class Settings {
  constructor() {
    this.shown = null;
    this.isEdited = this.isSending = this.isAccepted = false;
    this.fault = "";
    element("threshold").oninput = () => {
      element("own-threshold").checked = false;
      this.threshold = Number(element("threshold").value);
      this.edited();
    };
    element("own-threshold").onchange = () => this.edited();
    element("discard").onclick = () => this.reset();
    element("settings").onsubmit = (event) => { event.preventDefault(); this.apply(); };
    element("confirm").onclose = () => { if (element("confirm").returnValue === "yes") this.send(); };
    this.buttons();
  }

  update(state) {
    const controls = state.controls, name = state.core && state.core.name;
    if (name !== this.core) {
      this.isEdited = false;
      this.fault = "";
    }
    if (this.isAccepted) this.isSending = this.isAccepted = false;
    this.core = name;
    this.form = state.form;
    this.controls = controls;
    const known = controls && controls.reason === null;
    element("fields").disabled = !known || this.isSending;
    if (!known) return this.say(controls ? controls.reason : "No core yet.", "");
    if (this.isEdited && !this.isSending && this.shown !== this.key()) this.note = "The deployment has changed meanwhile: discard, then look again.";
    if (!this.isEdited && !this.isSending && this.shown !== this.key()) this.fill();
    this.report();
    this.buttons();
  }

  disconnected() {
    element("fields").disabled = true;
    this.say("Disconnected: nothing can be changed.", "");
  }

  key() {
    return `${this.core} ${this.controls.base}`;
  }

  fill() {
    const { threshold, strategies } = this.controls;
    this.shown = this.key();
    this.target = this.core;
    this.base = this.controls.base;
    this.note = "";
    element("own-threshold").checked = threshold === null;
    this.threshold = threshold ?? 0.5;  // the slider rounds it
    element("threshold").value = this.threshold;
    element("strategies").replaceChildren(...strategies.map((one) => this.switchOf(one)));
    if (!strategies.length) element("strategies").textContent = "nothing: the core has no feedback";
    this.showThreshold();
  }

  switchOf(one) {
    const label = document.createElement("label"), box = document.createElement("input");
    label.className = "check";
    Object.assign(box, { type: "checkbox", checked: one.on, value: one.id });
    box.setAttribute("role", "switch");
    box.onchange = () => this.edited();
    label.append(box, ` ${one.text}`);
    return label;
  }

  edited() {
    this.isEdited = true;
    this.fault = "";
    this.showThreshold();
    this.report();
    this.buttons();
  }

  reset() {
    this.isEdited = false;
    this.fault = "";
    this.fill();
    this.report();
    this.buttons();
  }

  showThreshold() {
    const own = element("own-threshold").checked;
    element("settings").classList.toggle("own", own);
    const short = this.threshold.toFixed(2);
    const exact = Number(short) === this.threshold ? short : String(this.threshold);
    const text = own ? "the profile's" : exact;
    element("threshold-text").textContent = text;
    element("threshold").setAttribute("aria-valuetext", text);
  }

  report() {
    const change = this.controls && this.controls.change;
    if (this.fault) this.say(this.fault, "failed");
    else if (this.note) this.say(this.note, "failed");
    else if (this.isSending) this.say("Changing: creating the deployment …", "");
    else if (change) this.say(`${STATES[change.state]}: ${change.text}`, change.state);
    else this.say(this.isEdited ? "Not applied yet." : `These are the settings of ${this.controls.whom}.`, "");
  }

  say(text, kind) {
    const line = element("settings-state");
    if (line.textContent !== text) line.textContent = text;
    line.className = kind;
  }

  buttons() {
    const change = this.controls && this.controls.change;
    const isBusy = this.isSending || (change && change.state === "pending");
    element("apply").disabled = !this.isEdited || isBusy || Boolean(this.note);
    element("discard").disabled = !this.isEdited || this.isSending;
  }

  apply() {
    if (!this.controls.confirm) return this.send();
    element("confirm-text").textContent = `Create a deployment that changes the settings of ${this.controls.whom}?`;
    element("confirm").returnValue = "no";
    element("confirm").showModal();
  }

  failed(core, text) {
    if (core === this.core) this.fault = `Not changed: ${text.slice(0, 300)}`;
  }

  // The draft is for the core and the deployment that it began with, whatever came meanwhile.
  async send() {
    if (this.note || this.core !== this.target) return this.report();
    this.isSending = element("fields").disabled = true;  // what was edited meanwhile would be lost
    this.report();
    this.buttons();
    const own = element("own-threshold").checked;
    const on = [...element("strategies").querySelectorAll("input:checked")].map((one) => one.value);
    const wanted = {
      core: this.target, base: this.base, on,
      threshold: own ? null : this.threshold,
    };
    try {
      const answer = await fetch("/settings", {
        method: "POST", body: JSON.stringify(wanted), headers: { "X-Mli-View": this.form },
      });
      this.isAccepted = answer.ok;
      if (answer.ok) this.isEdited = false;
      else this.failed(wanted.core, await answer.text());
    } catch (error) {
      this.failed(wanted.core, String(error));
    }
    this.isSending = this.isAccepted;  // until the next state, which has the change
    this.report();
    this.buttons();
  }
}
