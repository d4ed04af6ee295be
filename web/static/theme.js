// Loaded before the page is drawn, so that the chosen theme never flashes.
(function () {
  "use strict";
  try {
    var theme = localStorage.getItem("turnpike-theme");
    if (theme === "light" || theme === "dark") document.documentElement.dataset.theme = theme;
  } catch (error) {
    // Storage is switched off: the system's theme stays.
  }
})();
