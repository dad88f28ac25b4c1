"""An invoice as UN/CEFACT Cross Industry Invoice XML in the Factur-X profile EN 16931."""

from decimal import Decimal
from xml.sax.saxutils import escape

from samples.cases import VAT_PERCENT, Invoice, Item
from samples.parties import BUYER, Party

_NAMESPACES = (
    'xmlns:rsm="urn:un:unece:uncefact:data:standard:CrossIndustryInvoice:100" '
    'xmlns:ram="urn:un:unece:uncefact:data:standard:ReusableAggregateBusinessInformationEntity:100" '
    'xmlns:udt="urn:un:unece:uncefact:data:standard:UnqualifiedDataType:100"'
)


def xml_of(invoice: Invoice) -> bytes:
    """The embedded XML."""
    note = f"<ram:IncludedNote><ram:Content>{escape(invoice.note)}</ram:Content></ram:IncludedNote>"
    return f"""<?xml version="1.0" encoding="UTF-8"?>
<rsm:CrossIndustryInvoice {_NAMESPACES}>
  <rsm:ExchangedDocumentContext>
    <ram:GuidelineSpecifiedDocumentContextParameter>
      <ram:ID>urn:cen.eu:en16931:2017</ram:ID>
    </ram:GuidelineSpecifiedDocumentContextParameter>
  </rsm:ExchangedDocumentContext>
  <rsm:ExchangedDocument>
    <ram:ID>{escape(invoice.number)}</ram:ID>
    <ram:TypeCode>380</ram:TypeCode>
    <ram:IssueDateTime>{_day(invoice.on)}</ram:IssueDateTime>
    {note if invoice.note else ""}
  </rsm:ExchangedDocument>
  <rsm:SupplyChainTradeTransaction>
    {"".join(_line(place, item) for place, item in enumerate(invoice.items, 1))}
    <ram:ApplicableHeaderTradeAgreement>
      <ram:SellerTradeParty>{_party(invoice.seller)}</ram:SellerTradeParty>
      <ram:BuyerTradeParty>{_party(BUYER)}</ram:BuyerTradeParty>
      {_reference("BuyerOrderReferencedDocument", invoice.order)}
      {_reference("ContractReferencedDocument", invoice.contract)}
    </ram:ApplicableHeaderTradeAgreement>
    <ram:ApplicableHeaderTradeDelivery>
      <ram:ActualDeliverySupplyChainEvent>
        <ram:OccurrenceDateTime>{_day(invoice.on)}</ram:OccurrenceDateTime>
      </ram:ActualDeliverySupplyChainEvent>
    </ram:ApplicableHeaderTradeDelivery>
    <ram:ApplicableHeaderTradeSettlement>
      <ram:InvoiceCurrencyCode>EUR</ram:InvoiceCurrencyCode>
      <ram:SpecifiedTradeSettlementPaymentMeans>
        <ram:TypeCode>58</ram:TypeCode>
        <ram:PayeePartyCreditorFinancialAccount>
          <ram:IBANID>{invoice.iban}</ram:IBANID>
        </ram:PayeePartyCreditorFinancialAccount>
      </ram:SpecifiedTradeSettlementPaymentMeans>
      <ram:ApplicableTradeTax>
        <ram:CalculatedAmount>{_money(invoice.tax)}</ram:CalculatedAmount>
        <ram:TypeCode>VAT</ram:TypeCode>
        <ram:BasisAmount>{_money(invoice.net)}</ram:BasisAmount>
        <ram:CategoryCode>S</ram:CategoryCode>
        <ram:RateApplicablePercent>{_money(VAT_PERCENT)}</ram:RateApplicablePercent>
      </ram:ApplicableTradeTax>
      <ram:SpecifiedTradePaymentTerms>
        <ram:DueDateDateTime>{_day(invoice.due)}</ram:DueDateDateTime>
      </ram:SpecifiedTradePaymentTerms>
      <ram:SpecifiedTradeSettlementHeaderMonetarySummation>
        <ram:LineTotalAmount>{_money(invoice.net)}</ram:LineTotalAmount>
        <ram:TaxBasisTotalAmount>{_money(invoice.net)}</ram:TaxBasisTotalAmount>
        <ram:TaxTotalAmount currencyID="EUR">{_money(invoice.tax)}</ram:TaxTotalAmount>
        <ram:GrandTotalAmount>{_money(invoice.total)}</ram:GrandTotalAmount>
        <ram:DuePayableAmount>{_money(invoice.total)}</ram:DuePayableAmount>
      </ram:SpecifiedTradeSettlementHeaderMonetarySummation>
    </ram:ApplicableHeaderTradeSettlement>
  </rsm:SupplyChainTradeTransaction>
</rsm:CrossIndustryInvoice>
""".encode()


def _line(place: int, item: Item) -> str:
    return f"""<ram:IncludedSupplyChainTradeLineItem>
      <ram:AssociatedDocumentLineDocument><ram:LineID>{place}</ram:LineID></ram:AssociatedDocumentLineDocument>
      <ram:SpecifiedTradeProduct><ram:Name>{escape(item.name)}</ram:Name></ram:SpecifiedTradeProduct>
      <ram:SpecifiedLineTradeAgreement>
        <ram:NetPriceProductTradePrice><ram:ChargeAmount>{_money(item.price)}</ram:ChargeAmount></ram:NetPriceProductTradePrice>
      </ram:SpecifiedLineTradeAgreement>
      <ram:SpecifiedLineTradeDelivery>
        <ram:BilledQuantity unitCode="{item.unit}">{_money(item.quantity)}</ram:BilledQuantity>
      </ram:SpecifiedLineTradeDelivery>
      <ram:SpecifiedLineTradeSettlement>
        <ram:ApplicableTradeTax>
          <ram:TypeCode>VAT</ram:TypeCode>
          <ram:CategoryCode>S</ram:CategoryCode>
          <ram:RateApplicablePercent>{_money(VAT_PERCENT)}</ram:RateApplicablePercent>
        </ram:ApplicableTradeTax>
        <ram:SpecifiedTradeSettlementLineMonetarySummation>
          <ram:LineTotalAmount>{_money(item.total)}</ram:LineTotalAmount>
        </ram:SpecifiedTradeSettlementLineMonetarySummation>
      </ram:SpecifiedLineTradeSettlement>
    </ram:IncludedSupplyChainTradeLineItem>
    """


def _party(party: Party) -> str:
    return f"""
        <ram:Name>{escape(party.name)}</ram:Name>
        <ram:PostalTradeAddress>
          <ram:PostcodeCode>{party.postcode}</ram:PostcodeCode>
          <ram:LineOne>{escape(party.street)}</ram:LineOne>
          <ram:CityName>{escape(party.town)}</ram:CityName>
          <ram:CountryID>DE</ram:CountryID>
        </ram:PostalTradeAddress>
        <ram:SpecifiedTaxRegistration><ram:ID schemeID="VA">{party.vat_id}</ram:ID></ram:SpecifiedTaxRegistration>
      """


def _reference(name: str, number: str) -> str:
    return f"<ram:{name}><ram:IssuerAssignedID>{escape(number)}</ram:IssuerAssignedID></ram:{name}>" if number else ""


def _day(on: object) -> str:
    return f'<udt:DateTimeString format="102">{on:%Y%m%d}</udt:DateTimeString>'


def _money(value: Decimal) -> str:
    return f"{value:.2f}"
