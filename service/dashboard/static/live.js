/* Charts that answer: once a picture of a chart is in sight, the chart itself takes its place and says, where the
   pointer rests, what the table beside it says. Without this file, and until then, the picture stays. */

const dark = matchMedia("(prefers-color-scheme: dark)");
const library = document.querySelector("script[data-charts]").dataset.charts;
const options = {
  logLevel: 1, // errors only: that a week has no figure is nothing to warn of
  ast: true, // interpreted: no code is made of text
  actions: false,
  renderer: "svg",
  defaultStyle: false,
  tooltip: {disableDefaultStyle: true, id: "told"},
};

async function enliven(picture) {
  const image = picture.querySelector("img");
  const address = new URL(image.src);
  address.searchParams.set("drawn", "spec");
  if (dark.matches) address.searchParams.set("theme", "dark");
  const answer = await fetch(address);
  if (!answer.ok || !answer.headers.get("content-type").includes("json")) return;
  const spec = await answer.json();
  await import(library);
  const live = document.createElement("div");
  live.className = "live";
  await window.heedCharts.embed(live, spec, options);
  // To a screen reader it stays one picture with its text: the table holds the figures.
  live.setAttribute("role", "img");
  live.setAttribute("aria-label", image.alt);
  live.removeAttribute("aria-roledescription");
  picture.live?.remove();
  picture.after(live);
  picture.hidden = true;
  picture.live = live;
}

function soon(picture) {
  const start = () => enliven(picture).catch(() => {}); // the picture stays
  "requestIdleCallback" in window ? requestIdleCallback(start) : setTimeout(start, 200);
}

const pictures = [...document.querySelectorAll("picture[data-live]")];
if (!navigator.connection?.saveData && "IntersectionObserver" in window) {
  const watch = new IntersectionObserver((seen) => {
    for (const {isIntersecting, target} of seen) {
      if (!isIntersecting) continue;
      watch.unobserve(target);
      soon(target);
    }
  });
  pictures.forEach((picture) => watch.observe(picture));
  dark.addEventListener("change", () => pictures.filter((picture) => picture.live).forEach(soon));
}
