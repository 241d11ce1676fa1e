document.getElementById("app").textContent = "LPS";
