(async () => {
  const page = document.getElementById("swagger-ui");
  const address = new URL(page.dataset.openapi, location.href);
  try {
    const spec = await (await fetch(address)).json();
    spec.servers = [{ url: new URL(".", address).href.replace(/[/]$/, "") }]; // where requests go: behind a stage, too
    SwaggerUIBundle({
      domNode: page,
      spec,
      deepLinking: true,
      persistAuthorization: false, // the token is forgotten with the page
      validatorUrl: null, // it would be told about the document
    });
  } catch {
    page.textContent = "The documentation could not be loaded. Please reload this page.";
  }
})();
