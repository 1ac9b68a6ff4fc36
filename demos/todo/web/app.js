// Sends forms without loading the page anew. Without this script they work, too.

document.addEventListener("submit", async (event) => {
  const form = event.target;
  if (form.method !== "post" || "wholePage" in form.dataset) return;
  event.preventDefault();
  const focused = document.activeElement?.id;
  const answer = await fetch(form.action, {
    method: "POST",
    body: new URLSearchParams(new FormData(form, event.submitter)),
  });
  show(new DOMParser().parseFromString(await answer.text(), "text/html"), answer.ok, focused);
});

function show(page, ok, focused) {
  const alert = page.querySelector("[role=alert]");
  // The element stays and its text changes: so readers of the screen are told.
  document.getElementById("status").textContent =
    ok || !alert ? page.getElementById("status").textContent : alert.textContent;
  document.getElementById("status").classList.toggle("wrong", !ok);
  if (!ok) return;
  document.querySelector("main").replaceWith(document.adoptNode(page.querySelector("main")));
  const next = focused === "add" || focused === "title" ? "title" : focused;
  const target = document.getElementById(next) ?? document.querySelector("[tabindex='-1']");
  target?.focus();
}
