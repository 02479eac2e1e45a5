"""What a deal asks for: read from Salesforce at once, compiled purely into subscriptions, or into problems with their fix."""
