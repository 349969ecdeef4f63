"use strict";
document.documentElement.classList.add("js");

// Sorting: a click on a heading, again for the other way round.
for (const table of document.querySelectorAll("table.sortable")) {
  const headings = [...table.tHead.rows[0].cells];
  const key = (row, column) => {
    const cell = row.cells[column];
    if (cell.dataset.value === undefined) return cell.textContent.trim();
    return cell.dataset.value === "" ? null : Number(cell.dataset.value);
  };
  headings.forEach((heading, column) => {
    heading.querySelector("button").addEventListener("click", () => {
      const sign = heading.ariaSort === "descending" ? 1 : -1;
      const rows = [...table.tBodies[0].rows].sort((first, second) => {
        const a = key(first, column), b = key(second, column);
        if (a === null || b === null) return (a === null) - (b === null);
        return sign * (typeof a === "number" ? a - b : String(b).localeCompare(String(a)));
      });
      table.tBodies[0].append(...rows);
      for (const other of headings) other.removeAttribute("aria-sort");
      heading.ariaSort = sign === 1 ? "ascending" : "descending";
    });
  });
}

// A click on a distortion shows its points alone, again all of them.
for (const legend of document.querySelectorAll(".legend")) {
  const plots = legend.nextElementSibling;
  const buttons = [...legend.querySelectorAll("button")];
  for (const button of buttons) {
    button.addEventListener("click", () => {
      const chosen = button.getAttribute("aria-pressed") !== "true";
      for (const other of buttons) other.setAttribute("aria-pressed", chosen && other === button);
      plots.classList.toggle("chosen", chosen);
      for (const dots of plots.querySelectorAll(".dots")) {
        dots.classList.toggle("kept", dots.dataset.series === button.textContent.trim());
      }
    });
  }
}
