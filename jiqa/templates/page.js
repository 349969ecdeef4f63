"use strict";
document.documentElement.classList.add("js");

// Sorting: a click on a heading, again for the other way round; the pairs follow the table.
const table = document.querySelector("table");
const headings = [...table.tHead.rows[0].cells];

function key(row, column) {
  const cell = row.cells[column];
  if (cell.dataset.value === undefined) return cell.textContent.trim();
  return cell.dataset.value === "" ? null : Number(cell.dataset.value);
}

function compare(a, b) {
  return typeof a === "number" && typeof b === "number"
    ? a - b : String(a).localeCompare(String(b), undefined, { numeric: true });
}

function sort(column) {
  const direction = headings[column].ariaSort === "ascending" ? "descending" : "ascending";
  const sign = direction === "ascending" ? 1 : -1;
  const rows = [...table.tBodies[0].rows];
  rows.sort((first, second) => {
    const a = key(first, column), b = key(second, column);
    if (a === null || b === null) return (a === null) - (b === null); // no score: always last
    return sign * compare(a, b);
  });
  for (const row of rows) {
    table.tBodies[0].append(row);
    const pair = document.getElementById(row.dataset.pair);
    pair.parentElement.append(pair);
  }
  for (const heading of headings) heading.removeAttribute("aria-sort");
  headings[column].setAttribute("aria-sort", direction);
}

headings.forEach((heading, column) => {
  heading.querySelector("button").addEventListener("click", () => sort(column));
});

// Comparing in place: the reference, or a map, covers the distorted image left of the line.
for (const pair of document.querySelectorAll("article:has(.stack input)")) {
  const stack = pair.querySelector(".stack");
  const slider = stack.querySelector("input");
  const original = stack.querySelector("svg");
  const choices = [...pair.querySelectorAll(".choose")];
  const captions = pair.querySelector(".compare figcaption");

  function cut(percent) {
    slider.value = percent;
    stack.style.setProperty("--cut", `${percent}%`);
  }

  function cover(chosen) {
    for (const choice of choices) choice.setAttribute("aria-pressed", choice === chosen);
    stack.querySelector(".frame")?.remove();
    if (original) original.style.display = chosen ? "none" : "";
    if (chosen) {
      const map = chosen.querySelector(".frame").cloneNode(true);
      map.classList.add("over");
      stack.prepend(map);
    }
    const left = chosen ? chosen.dataset.name : "reference";
    captions.querySelector(".left")?.toggleAttribute("hidden", chosen !== null);
    captions.querySelector("output").textContent = chosen ? left : "";
    slider.ariaLabel = `Compare: ${left} left of the line, distorted image right of it`;
    slider.hidden = stack.querySelector(".line").hidden = !chosen && !original;
    cut(chosen ? 100 : original ? 50 : 0);
  }

  slider.addEventListener("input", () => cut(slider.value));
  for (const button of pair.querySelectorAll("[data-cut]")) {
    button.addEventListener("click", () => {
      cover(null);
      cut(button.dataset.cut);
    });
  }
  for (const choice of choices) {
    choice.addEventListener("click", () => {
      cover(choice.getAttribute("aria-pressed") === "true" ? null : choice);
    });
  }
  cover(null);
}
