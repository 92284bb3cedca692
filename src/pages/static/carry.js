// Carries a form or a fragment over the login, in this tab's own storage. What is carried is in data attributes of the
// page; without this script the page says that nothing is carried and offers a way on.
"use strict";
{
  const page = document.getElementById("carry");
  const { act, id, sealed, onward, plain, to } = page.dataset;
  const FORM = "sidegate.form.";
  const FRAGMENT = "sidegate.fragment.";

  // Throws where the browser keeps nothing, or not that much.
  const keep = (kind, value) => {
    for (const key of Object.keys(sessionStorage)) {
      if (key.startsWith(kind)) sessionStorage.removeItem(key);
    }
    sessionStorage.setItem(kind + id, value);
  };

  // Once: what was taken is not there any more.
  const take = (kind) => {
    const value = sessionStorage.getItem(kind + id);
    sessionStorage.removeItem(kind + id);
    return value;
  };

  const show = (name) => {
    for (const part of document.querySelectorAll("[data-when]")) {
      part.hidden = part.dataset.when !== name;
    }
  };

  const acts = {
    // The page waits for a click where it has something to say first.
    keepForm() {
      keep(FORM, sealed);
      show("kept");
      if (page.dataset.waits === undefined) location.replace(onward);
    },
    keepFragment() {
      let next = plain;
      if (location.hash.length > 1) {
        try {
          keep(FRAGMENT, location.hash);
          next = onward;
        } catch {
          // The page itself can be reached without it.
        }
      }
      location.replace(next);
    },
    sendForm() {
      const value = take(FORM);
      if (value === null) return;
      show("kept");
      const form = document.getElementById("form");
      form.elements[0].value = value;
      form.submit();
    },
    restoreFragment() {
      let fragment = null;
      try {
        fragment = take(FRAGMENT);
      } catch {
        // Then without.
      }
      location.replace(fragment?.startsWith("#") ? to + fragment : to);
    },
  };

  try {
    acts[act]();
  } catch {
    show("lost");
  }
}
